// What is shown, as a file that the browser keeps.

/**
 * A text as a cell: quoted, and never a formula of a spreadsheet.
 * @param {string} text
 */
export const cell = (text) => `"${/^[=+\-@\t\r]/.test(text) ? "'" : ""}${text.replaceAll('"', '""')}"`;

/**
 * Hands a file to the browser, which keeps it.
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name.replace(/[^\w.-]+/g, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
