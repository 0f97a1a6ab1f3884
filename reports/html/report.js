"use strict";
/* An enhancement: without it everything can be read, and filtered by verdict, obligation and feature.
   The body of a case stands in a noscript element. Where scripts are off, it is there from the beginning; where they run, a browser takes it for
   a text, which costs nothing, and it is filled in when it is opened, searched or printed, or when there is nothing else to do. */
(() => {
  const id = name => document.getElementById(name);
  const filter = id("filter"), text = id("text"), unfold = id("unfold");
  const boxes = [...filter.querySelectorAll("input[type=checkbox]")], lists = [...filter.querySelectorAll("select")];
  const rows = [...document.querySelectorAll(".cases .row")], cards = rows.filter(row => row.matches(".case"));
  const fill = card => {
    const body = card.querySelector(".body"), source = body.querySelector(":scope > noscript");
    if (source) body.innerHTML = source.textContent;
  };
  const fillAll = () => cards.forEach(fill);
  const idle = window.requestIdleCallback ?? (work => setTimeout(work, 20, { timeRemaining: () => 0 }));
  const queue = [...cards.filter(card => card.open), ...cards.filter(card => !card.open)];
  const work = deadline => {
    while (queue.length > 0) {
      fill(queue.shift());
      if (deadline.timeRemaining() <= 0) break;
    }
    if (queue.length > 0) idle(work);
    else document.body.classList.add("filled");
  };

  const tables = "#matrix, #requirements"; // which are beside the cases themselves
  const said = new Map(); // what a row says, in lower case
  const says = row => said.get(row) ?? said.set(row, row.textContent.toLowerCase()).get(row);
  const chosen = row => (row.classList.contains("v-other") || boxes.some(box => box.checked && row.classList.contains(box.id)))
    && lists.every(list => !list.value || row.classList.contains(list.value));

  const show = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length > 0) fillAll();
    let shown = 0;
    for (const row of rows) {
      row.hidden = words.length > 0 && !words.every(word => says(row).includes(word));
      if (row.hidden || !chosen(row)) continue;
      if (!row.closest(tables)) shown++;
    }
    const all = rows.filter(row => !row.closest(tables)).length;
    id("shown").value = shown === all ? `all ${all} cases` : `${shown} of ${all} cases`;
    // what is found in a chapter of requirements is seen, and is folded again at the end
    if (words.length > 0 || document.body.classList.contains("searched"))
      for (const e of document.querySelectorAll("#requirements .chapter"))
        e.open = words.length > 0 && [...e.querySelectorAll(".row")].some(row => !row.hidden && chosen(row));
    document.body.classList.toggle("searched", words.length > 0);
  };
  const reset = () => {
    for (const box of boxes) box.checked = true;
    for (const list of lists) list.value = "";
    text.value = "";
    show();
  };
  // follow opens what a link points into, and shows it when the filter hides it
  const follow = () => {
    const name = decodeURIComponent(location.hash.slice(1)), card = id(name.replace(/-e\d+$/, ""));
    if (card?.matches(".case")) fill(card);
    const target = id(name);
    if (!target) return;
    const row = target.closest(".row");
    if (row && (row.hidden || !chosen(row))) reset();
    for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    if (target.matches(".events *")) for (const e of target.querySelectorAll(":scope > details")) e.open = true;
    target.scrollIntoView();
  };

  filter.addEventListener("change", show);
  text.addEventListener("input", show);
  id("reset").addEventListener("click", reset);
  unfold.addEventListener("click", () => {
    const open = unfold.getAttribute("aria-pressed") === "false";
    for (const card of cards) if (!card.hidden && chosen(card)) card.open = open;
    unfold.setAttribute("aria-pressed", open);
  });
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", fillAll);
  document.addEventListener("toggle", event => event.target.matches(".case") && fill(event.target), true);
  for (const e of filter.querySelectorAll(".script")) e.hidden = false;
  show();
  follow();
  idle(work);
})();
