"""Write docs/notebook.md from examples/main_job.ipynb: its text, code, output and pictures.

Execute the notebook first, for example with ``jupyter nbconvert --execute --inplace``, in a folder
where ``copick-picker demo`` was run.
"""

import base64
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "main_job.ipynb"
PAGE = ROOT / "docs" / "notebook.md"
_ENDING = {"image/png": ".png", "image/jpeg": ".jpg"}


def page_of(notebook: dict[str, Any], stem: str) -> tuple[str, dict[str, bytes]]:
    """Return a page as Markdown, and its pictures: name in ``images`` -> content.

    Parameters
    ----------
    notebook : dict
        Content of an executed notebook.
    stem : str
        Beginning of the names of its pictures.
    """
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            if output["output_type"] == "stream":
                parts.append(f"```text\n{''.join(output['text']).rstrip()}\n```")
            for kind, ending in _ENDING.items():
                if kind in output.get("data", {}):
                    name = f"{stem}_{len(pictures) + 1}{ending}"
                    pictures[name] = base64.b64decode("".join(output["data"][kind]))
                    parts.append(f"![What the code above draws](images/{name})")
    parts.append("*This page is the notebook `examples/main_job.ipynb` of the repository.*")
    return "\n\n".join(parts) + "\n", pictures


def main() -> None:
    """Write the page and its pictures."""
    text, pictures = page_of(json.loads(NOTEBOOK.read_text(encoding="utf-8")), "notebook")
    PAGE.write_text(text, encoding="utf-8")
    for name, content in pictures.items():
        (PAGE.parent / "images" / name).write_bytes(content)


if __name__ == "__main__":
    main()
