"""The portal's GraphQL API over rows in memory, from the schema that the portal's client brings.

One generic resolver answers every query: comparators with SQL's rules for null, filters through
relations, order, limit and offset, connections, aggregates with groups. As the portal does, it
refuses filters deeper than five relations and an offset without a limit, and keeps no order of its
own: rows come in an order that means nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    InlineFragmentNode,
    build_schema,
    get_named_type,
    graphql_sync,
)

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]
MOST_RELATIONS = 5


@dataclass(frozen=True)
class Aggregate:
    """The rows that an aggregate field speaks of."""

    type_name: str
    rows: list[Row]


class GraphQLPortal:
    """Answers queries of the portal's schema; ``tables`` holds the rows of each type by name."""

    def __init__(self, tables: Tables) -> None:
        text = files("cryoet_data_portal").joinpath("data/schema.graphql").read_text("utf-8")
        self.schema: GraphQLSchema = build_schema(text)
        self.tables = tables
        self._indices: dict[tuple[str, str], dict[Any, list[Row]]] = {}

    def answer(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a request body, errors included."""
        result = graphql_sync(
            self.schema,
            str(body.get("query")),
            variable_values=body.get("variables"),
            operation_name=body.get("operationName"),
            field_resolver=self._resolve,
        )
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [error.formatted for error in result.errors]
        return answer

    def _resolve(self, source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        name = info.field_name
        if info.parent_type.name == "Query":
            return self._root(info, arguments)
        if isinstance(source, Aggregate):
            return list(self._groups(source, info)) if name == "aggregate" else None
        if name == "count" and callable(source.get(name)):
            return source[name](**arguments)
        if name in source:
            return source[name]
        related = self._related_type(info.parent_type.name, name)
        if related is None:
            return None
        rows = self._chosen(related, self._relation(info.parent_type.name, source, name), arguments)
        kind = get_named_type(info.return_type).name
        if kind.endswith("Aggregate"):
            return Aggregate(related, rows)
        if kind.endswith("Connection"):
            rows = rows[: arguments.get("first")]
            page = {"hasNextPage": False, "hasPreviousPage": False}
            return {"edges": [{"cursor": "", "node": row} for row in rows], "pageInfo": page}
        return rows[0] if rows else None

    def _root(self, info: GraphQLResolveInfo[Any], arguments: dict[str, Any]) -> Any:
        kind = get_named_type(info.return_type).name
        type_name = kind.removesuffix("Aggregate")
        rows = self._chosen(type_name, list(self.tables.get(type_name, ())), arguments)
        return Aggregate(type_name, rows) if kind.endswith("Aggregate") else rows

    def _chosen(self, type_name: str, rows: list[Row], arguments: dict[str, Any]) -> list[Row]:
        where = arguments.get("where") or {}
        _check_depth(where, self._related_type, type_name)
        rows = [row for row in rows if self._matches(type_name, row, where)]
        rows.sort(key=lambda row: (row["id"] * 7919) % 104729)
        for clause in reversed(arguments.get("orderBy") or []):
            for column, direction in reversed(list(clause.items())):

                def place(row: Row, column: str = column) -> tuple[bool, Any]:
                    return _sortable(row, column)

                rows.sort(key=place, reverse=str(direction).startswith("desc"))
        bounds = arguments.get("limitOffset") or {}
        if bounds.get("offset") is not None and bounds.get("limit") is None:
            msg = "Cannot use offset without limit"
            raise GraphQLError(msg)
        start = bounds.get("offset") or 0
        stop = None if bounds.get("limit") is None else start + bounds["limit"]
        return rows[start:stop]

    def _related_type(self, type_name: str, field: str) -> str | None:
        """Return the type that a field leads to; None for a plain column."""
        kind = self.schema.type_map.get(type_name)
        if not isinstance(kind, GraphQLObjectType) or field not in kind.fields:
            return None
        name = get_named_type(kind.fields[field].type).name
        for ending in ("Connection", "Aggregate"):
            name = name.removesuffix(ending)
        return name if isinstance(self.schema.type_map.get(name), GraphQLObjectType) else None

    def _relation(self, type_name: str, row: Row, field: str) -> list[Row]:
        related = self._related_type(type_name, field)
        kind = self.schema.type_map[type_name]
        assert related is not None
        assert isinstance(kind, GraphQLObjectType)
        if get_named_type(kind.fields[field].type).name == related:
            return self._by(related, "id").get(row.get(f"{field}Id"), [])
        target = self.schema.type_map[related]
        assert isinstance(target, GraphQLObjectType)
        back = next(
            name
            for name, item in target.fields.items()
            if get_named_type(item.type).name == type_name
        )
        return self._by(related, f"{back}Id").get(row["id"], [])

    def _by(self, type_name: str, column: str) -> dict[Any, list[Row]]:
        """Return the rows of a type by a column; tables stay as they were given."""
        found = self._indices.get((type_name, column))
        if found is None:
            found = {}
            for row in self.tables.get(type_name, ()):
                found.setdefault(row.get(column), []).append(row)
            self._indices[type_name, column] = found
        return found

    def _matches(self, type_name: str, row: Row, where: Mapping[str, Any]) -> bool:
        for field, condition in where.items():
            if condition is None:
                continue
            related = self._related_type(type_name, field)
            if related is None:
                if not _compare(row.get(field), condition):
                    return False
            elif field.endswith("Aggregate"):
                rows = self._relation(type_name, row, field.removesuffix("Aggregate"))
                wanted = condition["count"]
                chosen = wanted.get("filter") or {}
                count = sum(self._matches(related, other, chosen) for other in rows)
                if not _compare(count, wanted.get("predicate") or {}):
                    return False
            elif not any(
                self._matches(related, other, condition)
                for other in self._relation(type_name, row, field)
            ):
                return False
        return True

    def _groups(
        self, aggregate: Aggregate, info: GraphQLResolveInfo[Any]
    ) -> Iterator[dict[str, Any]]:
        paths = sorted(set(self._group_paths(info)))
        joined: dict[tuple[Any, ...], list[Row]] = {} if paths else {(): []}
        for row in aggregate.rows:
            for values in self._path_values(aggregate.type_name, row, paths):
                joined.setdefault(values, []).append(row)
        for values, rows in joined.items():
            group: dict[str, Any] = {}
            for path, value in zip(paths, values, strict=True):
                place = group
                for part in path[:-1]:
                    place = place.setdefault(part, {})
                place[path[-1]] = value
            yield {"groupBy": group, "count": _counter(rows), **_statistics(rows)}

    def _group_paths(self, info: GraphQLResolveInfo[Any]) -> Iterator[tuple[str, ...]]:
        for node in info.field_nodes:
            for child in _fields(node):
                if child.name.value == "groupBy":
                    yield from _leaves(child, ())

    def _path_values(
        self, type_name: str, row: Row, paths: Sequence[tuple[str, ...]]
    ) -> list[tuple[Any, ...]]:
        """Return the values of a row at all paths; several where a relation has several rows."""
        found: list[dict[tuple[str, ...], Any]] = [{}]
        for first in dict.fromkeys(path[0] for path in paths):
            below = [path[1:] for path in paths if path[0] == first]
            if below == [()]:
                options: list[dict[tuple[str, ...], Any]] = [{(first,): row.get(first)}]
            else:
                related = self._related_type(type_name, first)
                assert related is not None
                options = [
                    {(first, *path): value for path, value in zip(below, values, strict=True)}
                    for other in self._relation(type_name, row, first)
                    for values in self._path_values(related, other, below)
                ] or [{(first, *path): None for path in below}]
            found = [{**known, **option} for known in found for option in options]
        return [tuple(known[path] for path in paths) for known in found]


def _sortable(row: Row, column: str) -> tuple[bool, Any]:
    value = row.get(column)
    return (value is None, 0 if value is None else value)


def _fields(node: FieldNode) -> Iterator[FieldNode]:
    for child in node.selection_set.selections if node.selection_set else ():
        if isinstance(child, FieldNode):
            yield child
        elif isinstance(child, InlineFragmentNode):
            msg = "the test server knows no fragments in aggregates"
            raise GraphQLError(msg)


def _leaves(node: FieldNode, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for child in _fields(node):
        path = (*above, child.name.value)
        if child.selection_set:
            yield from _leaves(child, path)
        else:
            yield path


def _counter(rows: Sequence[Row]) -> Callable[..., int]:
    def count(*, distinct: bool = False, columns: str | None = None) -> int:
        values = [row.get(columns) if columns else number for number, row in enumerate(rows)]
        values = [value for value in values if value is not None]
        return len(set(values)) if distinct else len(values)

    return count


def _statistics(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    columns: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            if value is not None and isinstance(value, int | float | str):
                columns.setdefault(name, []).append(value)
    numbers = {
        name: values
        for name, values in columns.items()
        if not any(isinstance(value, str | bool) for value in values)
    }
    return {
        "sum": {name: sum(values) for name, values in numbers.items()},
        "avg": {name: sum(values) / len(values) for name, values in numbers.items()},
        "min": {name: min(values) for name, values in columns.items()},
        "max": {name: max(values) for name, values in columns.items()},
    }


def _check_depth(
    where: Mapping[str, Any], related_type: Callable[[str, str], str | None], type_name: str
) -> None:
    def depth(conditions: Mapping[str, Any], kind: str) -> int:
        deepest = 0
        for field, condition in conditions.items():
            related = related_type(kind, field)
            if related is not None and isinstance(condition, Mapping):
                deepest = max(deepest, 1 + depth(condition, related))
        return deepest

    if depth(where, type_name) > MOST_RELATIONS:
        msg = f"Query is too deep: at most {MOST_RELATIONS} relations in a filter"
        raise GraphQLError(msg)


def _compare(value: Any, condition: Mapping[str, Any]) -> bool:
    return all(
        _OPERATORS[name](value, wanted) for name, wanted in condition.items() if wanted is not None
    )


def _like(pattern: str, *, ignore_case: bool) -> Callable[[str], bool]:
    parts = [
        ".*" if letter == "%" else "." if letter == "_" else re.escape(letter) for letter in pattern
    ]
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    compiled = re.compile("".join(parts), flags)
    return lambda text: compiled.fullmatch(text) is not None


def _known(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, wanted: value is not None and test(value, wanted)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "_eq": _known(lambda value, wanted: value == wanted),
    "_neq": _known(lambda value, wanted: value != wanted),
    "_in": _known(lambda value, wanted: value in wanted),
    "_nin": _known(lambda value, wanted: value not in wanted),
    "_gt": _known(lambda value, wanted: value > wanted),
    "_gte": _known(lambda value, wanted: value >= wanted),
    "_lt": _known(lambda value, wanted: value < wanted),
    "_lte": _known(lambda value, wanted: value <= wanted),
    "_like": _known(lambda value, wanted: _like(wanted, ignore_case=False)(value)),
    "_nlike": _known(lambda value, wanted: not _like(wanted, ignore_case=False)(value)),
    "_ilike": _known(lambda value, wanted: _like(wanted, ignore_case=True)(value)),
    "_nilike": _known(lambda value, wanted: not _like(wanted, ignore_case=True)(value)),
    "_is_null": lambda value, wanted: (value is None) == wanted,
}
