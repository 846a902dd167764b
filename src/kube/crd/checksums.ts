/** Standard base64 with padding. */
export function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

/** ISBN of 10 or 13 digits, with its check digit. */
export function isIsbn(text: string, length: 10 | 13): boolean {
  const digits = text.replace(/[\s-]/g, '');
  if (length === 10) {
    if (!/^\d{9}[\dX]$/.test(digits)) return false;
    return sum(digits, (digit, i) => digit * (10 - i)) % 11 === 0;
  }
  return /^\d{13}$/.test(digits) && sum(digits, (digit, i) => digit * (i % 2 === 0 ? 1 : 3)) % 10 === 0;
}

/** A card number of the known issuers' lengths, with its check digit (Luhn). */
export function isCreditCard(text: string): boolean {
  const digits = text.replace(/[^0-9]/g, '');
  if (!/^[3-6]\d{12,18}$|^2\d{15}$/.test(digits)) return false;
  const doubled = (digit: number) => (digit > 4 ? digit * 2 - 9 : digit * 2);
  return sum(digits, (digit, i) => ((digits.length - i) % 2 === 0 ? doubled(digit) : digit)) % 10 === 0;
}

function sum(digits: string, weigh: (digit: number, index: number) => number): number {
  return [...digits].reduce((total, c, i) => total + weigh(c === 'X' ? 10 : Number(c), i), 0);
}
