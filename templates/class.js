// Sorts and searches the table of students. Without it the table reads as well, sorted by name.
"use strict";
{
  const table = document.querySelector("#roster");
  const body = table.tBodies[0];
  const heads = [...table.querySelectorAll("th[data-sort]")];
  const collator = new Intl.Collator(document.documentElement.lang, { numeric: true });
  const rows = [...body.rows].map((row) => ({ row, text: row.textContent.toLowerCase() }));

  // What a row is sorted by: a number that the page says, or the text of the cell.
  const key = (row, column, kind) =>
    kind === "number" ? Number(row.cells[column].dataset.value) : row.cells[column].textContent.trim();

  const sort = (head) => {
    const column = head.cellIndex;
    const kind = head.dataset.sort;
    const down = head.getAttribute("aria-sort") === "ascending";
    const keyed = rows.map(({ row }) => [key(row, column, kind), row]);
    const compare = kind === "number" ? (a, b) => a - b : (a, b) => !a - !b || collator.compare(a, b);
    keyed.sort((a, b) => (down ? compare(b[0], a[0]) : compare(a[0], b[0])));
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...keyed.map(([, row]) => row));
  };

  const search = (wanted) => {
    const words = wanted.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const { row, text } of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    document.querySelector("#shown").textContent = shown;
  };

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head));
    head.append(button);
  }
  heads[0].setAttribute("aria-sort", "ascending");
  document.querySelector("#search").addEventListener("input", (event) => search(event.target.value));
  document.querySelector("#tools").hidden = false;
  table.classList.add("sorts");
}
