"use strict";
// Charts are drawn when they come near the window, in the page's colours, and again when those change.
const root = document.documentElement;
const color = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

function template() {
  const axis = {
    gridcolor: color("grid"), linecolor: color("line"), zerolinecolor: color("line"), tickcolor: color("line"),
    tickfont: { color: color("soft") }, title: { font: { color: color("soft"), size: 12 } },
  };
  const font = { family: "system-ui, sans-serif", color: color("ink"), size: 12 };
  return {
    layout: {
      paper_bgcolor: color("page"), plot_bgcolor: "rgba(0,0,0,0)", font, xaxis: axis, yaxis: axis,
      hoverlabel: { bgcolor: color("panel"), bordercolor: color("line"), font: { color: color("ink") } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: color("soft"), activecolor: color("accent") },
    },
    data: { parcoords: [{ labelfont: { color: color("ink"), size: 13 }, tickfont: { color: color("soft"), size: 12 },
                          rangefont: { color: color("soft"), size: 10 } }] },
  };
}

function draw(chart) {
  const figure = JSON.parse(chart.querySelector("script").textContent);
  const target = chart.querySelector("div");
  Plotly.react(target, figure.data, { ...figure.layout, template: template() },
               { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"] });
  chart.dataset.drawn = "yes";
}

const near = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((entry) => entry.isIntersecting)) {
    near.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "600px" });
const charts = [...document.querySelectorAll(".chart")];
charts.forEach((chart) => near.observe(chart));

const drawAgain = () => charts.filter((chart) => chart.dataset.drawn).forEach(draw);
const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", drawAgain);
document.getElementById("theme").addEventListener("click", () => {
  const now = root.dataset.theme || (dark.matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  drawAgain();
});
