"use strict";

const NAMES = {
  ready: "Ready", version: "Version served", version_age_seconds: "Its age in seconds", degraded: "Degraded by",
  redis: "Redis", histories: "Histories", kafka: "Kafka", served_version: "Loading",
};

function row(name, value) {
  const line = document.createElement("tr");
  for (const text of [name, value]) {
    const cell = document.createElement("td");
    cell.textContent = text;
    line.append(cell);
  }
  return line;
}

function shown(value) {
  if (Array.isArray(value)) return value.join(", ") || "nothing";
  if (value === null) return "none yet";
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}

async function refresh() {
  const table = document.getElementById("state");
  try {
    const state = await (await fetch("/readyz")).json();
    table.replaceChildren(...Object.entries(NAMES).map(([key, name]) => row(name, shown(state[key]))));
  } catch {
    table.replaceChildren(row("Ready", "no answer from the service"));
  }
}

const example = document.getElementById("try");
example.textContent = example.textContent
  .replaceAll("HOST", location.origin)
  .replaceAll("NOW", new Date().toISOString());
refresh();
setInterval(refresh, 2000);
