"use strict";

// Samples over time: one grid is shown, the slider says which.
(() => {
  const frames = [...document.querySelectorAll(".frames figure")];
  const slider = document.getElementById("time");
  if (!slider) return;
  const play = document.getElementById("play");
  const when = document.getElementById("when");
  let timer = null;

  const show = (index) => {
    frames.forEach((frame, number) => frame.classList.toggle("on", number === index));
    slider.value = index;
    when.textContent = frames[index].dataset.when;
    slider.setAttribute("aria-valuetext", frames[index].dataset.when);
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.setAttribute("aria-pressed", "false");
    play.firstElementChild.textContent = "Play";
  };
  const step = () => {
    const next = Number(slider.value) + 1;
    if (next < frames.length) show(next);
    if (next + 1 >= frames.length) stop();
  };

  slider.addEventListener("input", () => {
    stop();
    show(Number(slider.value));
  });
  play.addEventListener("click", () => {
    if (timer !== null) return stop();
    if (Number(slider.value) === frames.length - 1) show(0);
    // From beginning to end in six seconds or so.
    timer = setInterval(step, Math.min(500, Math.max(80, 6000 / frames.length)));
    play.setAttribute("aria-pressed", "true");
    play.firstElementChild.textContent = "Pause";
  });
  // Left and right from anywhere on the page that does not use them itself.
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const isUsed = event.target.closest("input, pre, summary, .plot");
    if (!step || isUsed || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const index = Number(slider.value) + step;
    if (index < 0 || index >= frames.length) return;
    event.preventDefault();
    stop();
    show(index);
  });
  show(frames.length - 1);
})();

// Curves: the values where one points, or where the arrow keys are.
for (const plot of document.querySelectorAll(".plot")) {
  const svg = plot.querySelector("svg");
  const end = Number(svg.dataset.end);
  const numbers = (text) => text.split(",").map((part) => (part === "" ? NaN : Number(part)));
  const curves = [...svg.querySelectorAll(".curve")].map((curve, index) => ({
    index,
    label: curve.dataset.label,
    x: numbers(curve.dataset.x),
    y: numbers(curve.dataset.y),
  }));
  const all = [...new Set(curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
  let current = null;

  const line = document.createElement("div");
  line.className = "at";
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  line.hidden = tip.hidden = true;
  plot.append(line, tip);
  plot.tabIndex = 0;
  plot.setAttribute("role", "group");
  plot.setAttribute("aria-label", "Curves; left and right arrow keys read the values");

  const nearest = (list, wanted) => {
    let best = 0;
    list.forEach((x, index) => {
      if (Math.abs(x - wanted) < Math.abs(list[best] - wanted)) best = index;
    });
    return best;
  };
  const row = (curve, at) => {
    const index = nearest(curve.x, all[at]);
    const line = document.createElement("div");
    const key = document.createElement("i");
    key.className = `key c${curve.index}`;
    const value = document.createElement("b");
    const y = curve.y[index];
    value.textContent = Number.isNaN(y)
      ? "not finite"
      : y.toLocaleString("en", { maximumSignificantDigits: 4 }).replace("-", "\u2212");
    line.append(key, curve.label, value);
    return line;
  };
  const show = (at) => {
    current = at;
    const left = (100 * all[at]) / end;
    const heading = document.createElement("div");
    heading.textContent = `${all[at].toLocaleString("en", { maximumFractionDigits: 1 })} kimg`;
    tip.replaceChildren(heading, ...curves.map((curve) => row(curve, at)));
    line.hidden = tip.hidden = false;
    line.style.left = `${left}%`;
    tip.style.left = left > 50 ? "auto" : `calc(${left}% + 8px)`;
    tip.style.right = left > 50 ? `calc(${100 - left}% + 8px)` : "auto";
  };
  const hide = () => {
    line.hidden = tip.hidden = true;
    current = null;
  };

  if (all.length === 0) continue;
  const point = (event) => {
    const box = svg.getBoundingClientRect();
    show(nearest(all, (end * (event.clientX - box.left)) / box.width));
  };
  plot.addEventListener("pointermove", point);
  plot.addEventListener("pointerdown", point);
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") return hide();
    if (!step) return;
    event.preventDefault();
    show(current === null ? all.length - 1 : Math.min(all.length - 1, Math.max(0, current + step)));
  });
}

// A button that copies each command.
for (const pre of document.querySelectorAll(".command pre")) {
  const button = document.createElement("button");
  const text = pre.textContent;
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy the command: ${text}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(pre.firstElementChild);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  pre.append(button);
}
