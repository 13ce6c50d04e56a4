// <before-after before="URL" after="URL" label="..."></before-after>: the photo over its result, up to a line that is
// moved by mouse, finger or keyboard.
class BeforeAfter extends HTMLElement {
  connectedCallback() {
    if (this.childElementCount) return;
    const after = Object.assign(document.createElement("img"), {
      src: this.getAttribute("after"), alt: `${this.getAttribute("label")}, result`,
    });
    const before = Object.assign(document.createElement("img"), {
      src: this.getAttribute("before"), alt: `${this.getAttribute("label")}, photo`, className: "before",
    });
    this.append(after, before);
    for (const [text, side] of [["photo", "left"], ["result", "right"]]) {
      this.append(Object.assign(document.createElement("span"), { className: `tag ${side}`, textContent: text }));
    }
    this.append(Object.assign(document.createElement("span"), { className: "grip" }));
    this.tabIndex = 0;
    this.setAttribute("role", "slider");
    this.setAttribute("aria-label", `Share of the photo shown of ${this.getAttribute("label")}`);
    this.setAttribute("aria-valuemin", 0);
    this.setAttribute("aria-valuemax", 100);
    this.move(50);
    this.addEventListener("pointerdown", (event) => {
      this.setPointerCapture(event.pointerId);
      this.follow(event);
      this.focus({ preventScroll: true });
    });
    this.addEventListener("pointermove", (event) => this.hasPointerCapture(event.pointerId) && this.follow(event));
    this.addEventListener("keydown", (event) => this.press(event));
  }

  follow(event) {
    const box = this.getBoundingClientRect();
    this.move((100 * (event.clientX - box.left)) / box.width);
    event.preventDefault();
  }

  press(event) {
    const steps = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -10, PageUp: 10 };
    if (event.key in steps) this.move(this.at + steps[event.key]);
    else if (event.key === "Home") this.move(0);
    else if (event.key === "End") this.move(100);
    else return;
    event.preventDefault();
  }

  move(at) {
    this.at = Math.min(100, Math.max(0, at));
    this.style.setProperty("--at", `${this.at}%`);
    this.setAttribute("aria-valuenow", Math.round(this.at));
    this.setAttribute("aria-valuetext", `${Math.round(this.at)} % photo`);
  }
}

customElements.define("before-after", BeforeAfter);
