// What calls for attention: new HIGH and CRITICAL alarms, by a sentence for screen readers, and by sound where that is on.

import { h, svg } from "./dom.js";

/** Milliseconds between two sentences. */
const APART = 1000;
const MOST = 5_000;
const SPEAKER = "M1.5 6h3l4-3.5v11l-4-3.5h-3z";
const WAVES = "M10.7 5.5a3.5 3.5 0 0 1 0 5M12.6 3.6a6.2 6.2 0 0 1 0 8.8";
const CROSS = "M11 6l4 4M15 6l-4 4";
const WORDS = { HIGH: "High", CRITICAL: "Critical" };

/** Two tones, no file: none is loaded and none can be missing. */
class Sound {
  constructor() {
    /** @type {AudioContext | null} */
    this.context = null;
    this.button = h("button", { type: "button", class: "sound", click: () => this.toggle() });
    this.show();
  }

  /** Whether it is on, as a word and as a picture. */
  show() {
    const isOn = this.context !== null;
    this.button.setAttribute("aria-pressed", String(isOn));
    this.button.setAttribute("aria-label", isOn ? "Sound on" : "Sound off");
    this.button.title = `Sound ${isOn ? "on" : "off"}: for each new High or Critical alarm`;
    this.button.replaceChildren(svg("speaker", ["path", { d: SPEAKER, class: "filled" }], ["path", { d: isOn ? WAVES : CROSS }]));
  }

  toggle() {
    if (this.context) {
      void this.context.close();
      this.context = null;
    } else {
      this.context = new AudioContext();
      this.play(false);
    }
    this.show();
  }

  /** @param {boolean} isCritical */
  play(isCritical) {
    const { context } = this;
    if (!context) return;
    const tones = isCritical ? [988, 740, 988, 740] : [740, 587];
    tones.forEach((frequency, index) => {
      const at = context.currentTime + index * 0.18;
      const volume = new GainNode(context, { gain: 0 });
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(0.25, at + 0.02);
      volume.gain.linearRampToValueAtTime(0, at + 0.16);
      const tone = new OscillatorNode(context, { frequency, type: "triangle" });
      tone.connect(volume).connect(context.destination);
      tone.start(at);
      tone.stop(at + 0.17);
    });
  }
}

export class Attention {
  constructor() {
    this.sound = new Sound();
    /** @type {Map<string, number> | null} ids that were there when it last looked, with their severity */
    this.known = null;
    /** @type {Map<string, any>} */
    this.untold = new Map();
    /** @type {any} */
    this.timer = 0;
    this.total = 0;
    this.place = /** @type {HTMLElement} */ (document.getElementById("attention"));
  }

  /**
   * Alarms that wait for an operator, HIGH and above, as they are now: what is over by then makes no sound.
   * @param {any[]} items the worst of them
   * @param {number} total how many there are
   */
  look(items, total) {
    const level = (/** @type {any} */ item) => (item.severity === "CRITICAL" ? 2 : 1);
    if (this.known) {
      for (const item of items) if (level(item) > (this.known.get(item.id) ?? 0)) this.untold.set(item.id, item);
      const isMore = total > this.total && items.length < total && this.untold.size === 0;
      if (isMore) this.untold.set("others", { count: total - this.total, severity: "HIGH" });
    }
    // Where not all are in the list, what is missing may only stand behind others: it is not new when it is seen again.
    if (items.length >= total || this.known === null || this.known.size > MOST) this.known = new Map();
    for (const item of items) this.known.set(item.id, level(item));
    this.total = total;
    if (!this.timer) this.tell();
  }

  /** Say what was not said yet, as one sentence; the next one after a second. */
  tell() {
    this.timer = 0;
    if (this.untold.size === 0) return;
    this.timer = setTimeout(() => this.tell(), APART);
    const found = [...this.untold.values()];
    this.untold.clear();
    const [first] = found;
    const named = first.count
      ? `${first.count.toLocaleString("en")} new alarms`
      : `New ${WORDS[/** @type {"HIGH"} */ (first.severity)]} alarm: ${first.spacecraftId}, ${first.description}`;
    this.place.textContent = found.length > 1 ? `${found.length} new alarms. ${named}, and others.` : `${named}.`;
    this.sound.play(found.some((item) => item.severity === "CRITICAL"));
  }
}
