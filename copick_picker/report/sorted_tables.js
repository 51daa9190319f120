"use strict";
// A click on a column's name sorts the rows: numbers from the highest, names from A; again: turned.
// What is not there, such as n/a or an empty cell, comes last.
for (const table of document.querySelectorAll("table.sorts")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.key ?? cell.textContent.trim();
    return ["", "n/a", "-1e+300"].includes(text) ? null : text;
  };
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const rows = [...body.rows].map((row) => [keyOf(row, column), row]);
      const known = rows.filter(([key]) => key !== null);
      const numbers = known.every(([key]) => Number.isFinite(Number(key)));
      const before = head.getAttribute("aria-sort");
      const falling = before === null ? numbers : before === "ascending";
      const turn = falling ? -1 : 1;
      known.sort(([a], [b]) => turn * (numbers ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true })));
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      body.append(...known.map(([, row]) => row), ...rows.filter(([key]) => key === null).map(([, row]) => row));
    });
  });
}
