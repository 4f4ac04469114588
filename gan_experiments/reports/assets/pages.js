
// Of very many items a page at a time is laid out, and all are found by number, name or setting.
const SORTED = {
  "the best first": (items) => items,
  "the last first": (items) => items.toReversed(),
  "by number": (items) => items.toSorted((a, b) => number(a) - number(b)),
  "not finished": (items) => items.filter((item) => item.dataset.state !== "finished"),
  "with warnings": (items) => items.filter((item) => "lit" in item.dataset),
};
const number = (item) => Number(item.dataset.find.match(/^#(\d+)/)[1]);

class Pages {
  constructor(place) {
    const template = place.querySelector(":scope > template");
    this.place = place;
    this.here = [...place.querySelectorAll(":scope > [data-find]")];
    this.all = [...this.here, ...(template?.content.children ?? [])];
    this.size = this.here.length;
    this.mark = document.createComment("");
    if (template) template.replaceWith(this.mark);
    else this.here.at(-1).after(this.mark);
    this.page = 0;
    this.words = [];
    this.sorted = SORTED["the best first"];
    if (template) this.turn();
    this.choose();
  }
  turn() {
    const bar = Object.assign(document.createElement("div"), { className: "turn" });
    this.shown = document.createElement("output");
    this.turns = [["«", "first"], ["‹", "previous"], ["›", "next"], ["»", "last"]].map(([textContent, title]) =>
      Object.assign(document.createElement("button"), { type: "button", textContent, title }));
    this.turns.forEach((turn, index) => turn.addEventListener("click", () => {
      this.page = [0, this.page - 1, this.page + 1, this.last][index];
      this.draw();
    }));
    bar.append(...this.turns.slice(0, 2), this.shown, ...this.turns.slice(2));
    if ("orders" in this.place.dataset) {
      const select = document.createElement("select");
      select.setAttribute("aria-label", "order");
      select.append(...Object.keys(SORTED).map((name) => new Option(name)));
      select.addEventListener("change", () => {
        this.sorted = SORTED[select.value];
        this.choose();
      });
      bar.append(select);
    }
    (this.place.closest(".scroll") ?? this.place).before(bar);
  }
  choose() {
    this.chosen = this.sorted(this.all).filter((item) => this.words.every((word) => word.test(item.dataset.find)));
    this.last = Math.max(0, Math.ceil(this.chosen.length / this.size) - 1);
    this.page = 0;
    this.draw();
  }
  draw() {
    const first = this.page * this.size;
    const items = this.chosen.slice(first, first + this.size);
    if (items.length !== this.here.length || items.some((item, index) => item !== this.here[index])) {
      this.here.forEach((item) => item.remove());
      this.mark.before(...items);
      this.here = items;
    }
    if (!this.turns) return;
    const many = this.chosen.length.toLocaleString("en");
    this.shown.textContent = items.length ? `${first + 1} to ${first + items.length} of ${many}` : "none";
    this.turns.forEach((turn, index) => { turn.disabled = this.page === (index < 2 ? 0 : this.last); });
  }
}

const places = new Set([...document.querySelectorAll("[data-find]")].map((item) => item.parentElement));
const pages = [...places].map((place) => new Pages(place));
const quoted = (word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
// `#17` is run 17, and `seed=2` that setting, where there is one; else a word is a part of a name.
const pattern = (word) => {
  const whole = new RegExp(`(?<!\\S)${quoted(word)}(?!\\S)`, "i");
  const known = word.startsWith("#") || pages.some((each) => each.all.some((item) => whole.test(item.dataset.find)));
  return known ? whole : new RegExp(quoted(word), "i");
};
let wait;
document.getElementById("find").addEventListener("input", (event) => {
  clearTimeout(wait);
  wait = setTimeout(() => {
    const words = event.target.value.split(/\s+/).filter(Boolean).map(pattern);
    pages.forEach((each) => {
      each.words = words;
      each.choose();
    });
  }, 150);
});
