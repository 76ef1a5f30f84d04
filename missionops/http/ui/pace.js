// How often a page asks: once a second at most, and never for more than a third of its time.

const LEAST = 1000;
const REST = 2;

export class Pace {
  constructor() {
    this.readyAt = 0;
  }

  /**
   * Asks when it is time to, and takes note of how long that took.
   * @param {AbortSignal} signal
   * @param {() => Promise<void>} question
   */
  async ask(signal, question) {
    const pause = this.readyAt - performance.now();
    if (pause > 0) {
      await new Promise((resolve, reject) => {
        const timer = setTimeout(resolve, pause);
        signal.addEventListener(
          "abort",
          () => {
            clearTimeout(timer);
            reject(signal.reason);
          },
          { once: true },
        );
      });
    }
    const begun = performance.now();
    try {
      await question();
    } finally {
      const ended = performance.now();
      this.readyAt = ended + Math.max(LEAST, REST * (ended - begun));
    }
  }

  /** Something else is asked for: at once. */
  skip() {
    this.readyAt = 0;
  }
}
