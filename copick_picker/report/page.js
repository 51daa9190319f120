"use strict";
// A click on a column's name sorts the rows: numbers from the highest, names from A; again: turned.
for (const table of document.querySelectorAll("table.sorts")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const rows = [...body.rows];
      const key = (row) => row.cells[column].dataset.key;
      const numbers = rows.every((row) => key(row) !== undefined);
      const before = head.getAttribute("aria-sort");
      const falling = before === null ? numbers : before === "ascending";
      const turn = falling ? -1 : 1;
      const text = (row) => row.cells[column].textContent;
      rows.sort((a, b) =>
        turn * (numbers ? Number(key(a)) - Number(key(b)) : text(a).localeCompare(text(b), "en", { numeric: true })));
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      body.append(...rows);
    });
  });
}
