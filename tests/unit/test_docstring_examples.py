"""The examples in docstrings run and give what they show."""

import doctest
import importlib
import pkgutil

import pytest

import copick_picker


def modules() -> list[str]:
    """Return the modules without a command line; those import no more than they need."""
    names = [
        module.name
        for module in pkgutil.walk_packages(copick_picker.__path__, "copick_picker.")
        if not module.name.endswith("__main__")
    ]
    return [name for name in names if not name.startswith("copick_picker.cli")]


@pytest.mark.parametrize("name", modules())
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
