// The tabs. Arrow keys, Home and End move between them; the address remembers which one is open.

const tabs = () => [...document.querySelectorAll('[role="tab"]')];

export function current() {
  return tabs().find((tab) => tab.getAttribute("aria-selected") === "true").getAttribute("aria-controls");
}

function select(chosen, opened, focus) {
  for (const tab of tabs()) {
    const open = tab === chosen;
    tab.setAttribute("aria-selected", String(open));
    tab.tabIndex = open ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !open;
  }
  if (focus) chosen.focus();
  opened(current());
}

function moved(event, from) {
  const all = tabs();
  const at = all.indexOf(from);
  const steps = { ArrowRight: at + 1, ArrowLeft: at - 1 + all.length, Home: 0, End: all.length - 1 };
  return event.key in steps ? all[steps[event.key] % all.length] : null;
}

export function install(opened) {
  const named = () => tabs().find((tab) => tab.getAttribute("aria-controls") === location.hash.slice(1));
  for (const tab of tabs()) {
    const open = (focus) => {
      history.replaceState(null, "", `#${tab.getAttribute("aria-controls")}`);
      select(tab, opened, focus);
      scrollTo(0, 0);
    };
    tab.addEventListener("click", () => open(false));
    tab.addEventListener("keydown", (event) => {
      const next = moved(event, tab);
      if (!next) return;
      event.preventDefault();
      next.click();
      next.focus();
    });
  }
  addEventListener("hashchange", () => named() && select(named(), opened, false));
  select(named() ?? tabs()[0], opened, false);
}
