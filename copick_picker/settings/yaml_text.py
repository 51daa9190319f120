"""YAML whose names stay text: ``run_names: [1.10, 0034, 1e5, NA, true]`` names five runs.

YAML makes numbers, dates and truth values of what is not in quotes. Where a setting is a text, what
stands in the file is taken; elsewhere YAML's own value (https://yaml.org/spec/1.1/#id858600).
"""

from pathlib import PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from copick_picker.records.plain_text import yaml_limits

_NULL = "tag:yaml.org,2002:null"


def load_yaml(data: bytes, kind: type[BaseModel] | None = None) -> object:
    """Return the content of a YAML file.

    Parameters
    ----------
    data : bytes
        The file: UTF-8, or UTF-16 with a byte order mark.
    kind : type, optional
        Settings that it holds; without them every value is YAML's own.

    Raises
    ------
    yaml.YAMLError
        If it is not YAML, too deep, too large, or holds a value that cannot be.
    """
    with yaml_limits(data):
        loader = yaml.SafeLoader(data)
        try:
            node = loader.get_single_node()
            return None if node is None else _value(loader, node, kind)
        finally:
            loader.dispose()


def _value(loader: Any, node: yaml.Node, annotation: Any) -> object:  # noqa: ANN401 (any annotation)
    """Return the value of a node where a value of some type is expected."""
    parts = _parts(annotation)
    if isinstance(node, yaml.ScalarNode):
        return _scalar(loader, node, parts)
    if isinstance(node, yaml.SequenceNode):
        element = next((_element(part) for part in parts if _element(part) is not None), None)
        if element is not None:
            return [
                child.value
                if isinstance(child, yaml.ScalarNode) and all(map(_is_text, _parts(element)))
                else _value(loader, child, element)
                for child in node.value
            ]
    if isinstance(node, yaml.MappingNode):
        for part in parts:
            if isinstance(part, type) and issubclass(part, BaseModel):
                return _mapping(loader, node, part)
            if get_origin(part) is dict and get_args(part)[0] is str:
                return _mapping(loader, node, get_args(part)[1])
    return loader.construct_object(node, deep=True)


def _scalar(loader: Any, node: yaml.ScalarNode, parts: list[Any]) -> object:  # noqa: ANN401 (yaml's loader)
    whole = [part for part in parts if part is not NoneType]
    text = [part for part in whole if _is_text(part) or _is_text(_element(part))]
    if node.tag != _NULL and whole and len(text) == len(whole):
        return node.value
    return loader.construct_object(node, deep=True)


def _mapping(loader: Any, node: yaml.MappingNode, kind: Any) -> dict[str, object]:  # noqa: ANN401 (any annotation)
    """Return a mapping whose keys are names; each value by its field's type, or all of one type."""
    loader.flatten_mapping(node)
    is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
    found: dict[str, object] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            where = key.start_mark
            raise yaml.constructor.ConstructorError(
                None, None, "found a key that is not a name", where
            )
        annotation = _field(kind, key.value) if is_model else kind
        found[key.value] = _value(loader, value, annotation)
    return found


def _field(kind: type[BaseModel], key: str) -> Any:  # noqa: ANN401 (any annotation)
    """Return what a field of settings may hold; None where there is no such field."""
    for name, field in kind.model_fields.items():
        if key.replace("-", "_") == name or key == field.alias:
            return field.annotation
    return None


def _parts(annotation: Any) -> list[Any]:  # noqa: ANN401 (any annotation)
    """Return the types that an annotation allows."""
    if get_origin(annotation) is Annotated:
        return _parts(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [part for each in get_args(annotation) for part in _parts(each)]
    return [annotation]


def _element(annotation: Any) -> Any:  # noqa: ANN401 (any annotation)
    """Return the type of the elements of a sequence of any length; None for other types."""
    if get_origin(annotation) in (tuple, list) and get_args(annotation):
        kinds = [each for each in get_args(annotation) if each is not Ellipsis]
        return kinds[0] if len(set(map(str, kinds))) == 1 else None
    return None


def _is_text(annotation: Any) -> bool:  # noqa: ANN401 (any annotation)
    if get_origin(annotation) is Annotated:
        return _is_text(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return all(isinstance(each, str) for each in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, (str, PurePath))
