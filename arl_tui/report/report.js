"use strict";
(() => {
  const table = document.getElementById("experiments"), body = table.tBodies[0], rows = [...body.rows];
  const form = document.getElementById("filter"), status = document.getElementById("status");
  const text = document.getElementById("text"), shown = document.getElementById("shown");
  const texts = new Map();
  const of = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
    return texts.get(row);
  };
  const filter = () => {
    const wanted = text.value.toLowerCase();
    let count = 0;
    for (const row of rows) {
      const fits = (!status.value || row.cells[1].textContent === status.value) && (!wanted || of(row).includes(wanted));
      row.hidden = !fits;
      count += fits;
    }
    shown.textContent = `${count} of ${rows.length}`;
  };
  const sort = (head, column) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const numeric = head.classList.contains("n"), sign = down ? -1 : 1;
    const value = (row) => {
      const cell = row.cells[column].textContent;
      return numeric ? parseFloat(cell) : cell;
    };
    const compare = (a, b) => {
      if (numeric && (isNaN(a) || isNaN(b))) return isNaN(a) - isNaN(b);
      return sign * (a < b ? -1 : a > b ? 1 : 0);
    };
    body.append(...[...rows].sort((a, b) => compare(value(a), value(b))));
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(head, column));
    head.replaceChildren(button);
  });
  const open = () => {
    const row = document.getElementById(location.hash.slice(1));
    const details = row && row.querySelector("details");
    if (!details) return;
    row.hidden = false;
    details.open = true;
    row.scrollIntoView();
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", open);
  form.hidden = false;
  filter();
  open();
})();
