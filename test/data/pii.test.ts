import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isCard, luhn } from '../../src/data/clean/pii/card.ts';
import { isCnId } from '../../src/data/clean/pii/cn-id.ts';
import { isIban } from '../../src/data/clean/pii/iban.ts';
import { findPii, makePii, type PiiConfig, type PiiKind } from '../../src/data/clean/pii.ts';
import { applyToText, turn } from './clean-helpers.ts';

const KINDS: PiiKind[] = ['email', 'phone', 'ip', 'card', 'iban', 'cn_id'];
const redacting = (kinds = KINDS): PiiConfig => ({ kinds, action: 'redact' });
const redact = (text: string, kinds = KINDS) => applyToText(makePii(redacting(kinds)), text);

describe('personal data that is found', () => {
  it.each([
    ['Write to jane.doe+bank@mail.example.co.uk.', 'Write to [EMAIL].'],
    ['邮箱zhang_san@example.com请联系', '邮箱[EMAIL]请联系'],
    ['<a@b.io>, "x@y-z.org"', '<[EMAIL]>, "[EMAIL]"'],
    ['mailto:jo@example.com?subject=x', 'mailto:[EMAIL]?subject=x'],
    ['a@example.com,b@example.com;c@example.com', '[EMAIL],[EMAIL];[EMAIL]'],
  ])('email: %s', (text, expected) => expect(redact(text)).toBe(expected));

  it.each([
    ['Call +1 415 555 2671 now', 'Call [PHONE] now'],
    ['Call +14155552671.', 'Call [PHONE].'],
    ['+44 (0)20 7946 0958', '[PHONE]'],
    ['+44 20 7946 0958, +49 30 901820', '[PHONE], [PHONE]'],
    ['tel:+86-138-1234-5678', 'tel:[PHONE]'],
    ['(+86) 138 1234 5678', '[PHONE]'],
    ['+86 10 8765 4321', '[PHONE]'],
    ['+852 2123 4567 或 +886 912 345 678', '[PHONE] 或 [PHONE]'],
    ['手机13812345678。', '手机[PHONE]。'],
    ['手机：138-1234-5678，或159 1234 5678', '手机：[PHONE]，或[PHONE]'],
    ['1381-2345-678', '[PHONE]'],
    ['0086 13812345678', '[PHONE]'],
    ['86-13812345678', '[PHONE]'],
    ['电话：010-87654321', '电话：[PHONE]'],
    ['（0755）8612 3456转802', '[PHONE]'],
    ['(021) 58881234', '[PHONE]'],
    ['0571-87654321-802', '[PHONE]'],
    ['电话01087654321', '电话[PHONE]'],
    ['(415) 555-2671 or 415-555-2671', '[PHONE] or [PHONE]'],
    ['+14155552671 2024-01-01', '[PHONE] 2024-01-01'],
  ])('phone: %s', (text, expected) => expect(redact(text)).toBe(expected));

  it.each([
    ['from 8.26.56.26 today', 'from [IP] today'],
    ['http://151.101.1.69/x', 'http://[IP]/x'],
    ['151.101.1.69:8080', '[IP]:8080'],
    ['地址151.101.1.69。', '地址[IP]。'],
    ['at 2606:4700:4700::1111: no answer', 'at [IP]: no answer'],
    ['[2a02:26f0::1]', '[[IP]]'],
    ['2001:4860:4860:0:0:0:0:8888', '[IP]'],
  ])('ip: %s', (text, expected) => expect(redact(text)).toBe(expected));

  it.each([
    ['card 4111 1111 1111 1111 ok', 'card [CARD] ok'],
    ['4111-1111-1111-1111 12/27', '[CARD] 12/27'],
    ['4111 1111 1111 1111 12/27', '[CARD] 12/27'],
    ['卡号5555555555554444。', '卡号[CARD]。'],
    ['3782 822463 10005', '[CARD]'],
    ['378282246310005', '[CARD]'],
    ['30569309025904 and 3056 930902 5904', '[CARD] and [CARD]'],
    ['6011111111111117, 3530111333300000', '[CARD], [CARD]'],
    ['6212 3456 7890 1232', '[CARD]'],
    ['6217001210024455220', '[CARD]'],
    ['2223003122003222', '[CARD]'],
  ])('card: %s', (text, expected) => expect(redact(text)).toBe(expected));

  it.each([
    ['IBAN: GB82 WEST 1234 5698 7654 32 and more', 'IBAN: [IBAN] and more'],
    ['DE89370400440532013000', '[IBAN]'],
    ['DE89 3704 0044 0532 0130 00.', '[IBAN].'],
    ['FR14 2004 1010 0505 0001 3M02 606', '[IBAN]'],
    ['NO9386011117947,BE68539007547034', '[IBAN],[IBAN]'],
  ])('iban: %s', (text, expected) => expect(redact(text)).toBe(expected));

  it.each([
    ['身份证11010519491231002X，', '身份证[CN_ID]，'],
    ['440524188001010014', '440524188001010014'],
    ['身份证号：11010519491231002x', '身份证号：[CN_ID]'],
    ['110105 19491231 002X', '[CN_ID]'],
  ])('cn_id: %s', (text, expected) => expect(redact(text)).toBe(expected));
});

describe('what looks like personal data and is none', () => {
  it.each([
    // email
    [
      '@username said hi',
      'npm i lodash@4.17.21',
      'icon@2x.png',
      'user@localhost',
      'a@b',
      'x @ y.com',
      'git@github.com:a/b.git',
    ],
    ['@Override public', 'a..b@example.com', 'p@.com', '5 eggs @ 0.20', 'bundle@main.js'],
    // phone
    [
      'order 13912345678901',
      'id12345678901',
      '0.13812345678',
      '1381234567',
      '138123456789',
      '12345678901',
      '1700000000000',
    ],
    [
      '¥13812345678',
      '13812345678元',
      '2024-01-15 10:30',
      '3 + 12345678',
      'x+12345678',
      'C++11',
      '+1 234',
      '+999 1234 5678',
    ],
    [
      '1e+10000000',
      '555-2671',
      '400-123-4567',
      '95588',
      'ISBN 978-7-111-12345-6',
      '010-1234',
      '2010-12345678',
      '01087654321',
    ],
    ['a1b2c3d4-138-1234-5678', 'pi is 3.14159265358979', '10 000 000 000', '+12 345'],
    // ip
    [
      'version 10.15.7.1',
      'v10.20.30.40',
      'Chrome/91.0.4472.124',
      '1.2.3.4',
      'section 3.2.1',
      '192.168.1.1',
      '10.0.0.1',
    ],
    [
      '127.0.0.1',
      '256.1.1.1',
      '1.2.3.4.5',
      '01.02.03.04',
      '203.0.113.9',
      '12:30:45',
      'std::vector',
      'fe80::1',
      '2001:db8::1',
    ],
    ['固件版本 12.34.56.78', '00:1a:2b:3c:4d:5e', '::1', '2024:01:15', 'x = 11.22.33.44.55'],
    // card
    [
      '4111111111111112',
      '41111111111111111',
      '1234567812345670',
      '9999999999999995',
      '0.4111111111111111',
      'A4111111111111111',
    ],
    [
      '$4111111111111111',
      '/status/4111111111111111',
      '4111 1111 1111 111',
      'sha 4111111111111111f',
      '0000000000000000',
    ],
    // iban
    [
      'GB82 WEST 1234 5698 7654 33',
      'XX82WEST12345698765432',
      'DE8937040044053201300',
      'DE893704004405320130000',
      'AB12 CDEF',
    ],
    // cn_id
    [
      '110105194912310021',
      '11010519491331002X',
      '990105194912310020',
      '11010519490229002X',
      '11010519491231002XY',
      '811010519491231002X',
    ],
    // mathematics
    ['1234567 * 7654321 = 9449772114007', '2^64 = 18446744073709551616', '355/113 = 3.1415929203539823'],
  ])('%s ...', (...texts) => {
    for (const text of texts) expect(redact(text)).toBe(text);
  });
});

describe('checked numbers', () => {
  const digit = fc.integer({ min: 0, max: 9 });
  const digits = (length: number) =>
    fc.array(digit, { minLength: length, maxLength: length }).map((list) => list.join(''));
  /** The number with another digit at a place. */
  const flipped = (text: string, at: number, by: number) =>
    `${text.slice(0, at)}${(Number(text[at]) + by) % 10}${text.slice(at + 1)}`;

  const cards = fc
    .tuple(
      fc.constantFrom(
        ['4', 16],
        ['51', 16],
        ['2300', 16],
        ['37', 15],
        ['6011', 16],
        ['62', 19],
        ['62', 16],
        ['3530', 16],
        ['36', 14],
      ),
      digits(19),
    )
    .map(([[prefix, length], tail]) => {
      const body = (String(prefix) + tail).slice(0, Number(length) - 1);
      return body + '0123456789'.split('').find((check) => luhn(body + check))!;
    });

  it('finds every valid card, and none with one digit changed', () => {
    fc.assert(
      fc.property(cards, fc.nat(18), fc.integer({ min: 1, max: 9 }), (card, place, by) => {
        expect(redact(`卡号${card}，谢谢`)).toBe('卡号[CARD]，谢谢');
        expect(isCard(flipped(card, place % card.length, by))).toBe(false);
      }),
      { seed: 11, numRuns: 1000 },
    );
  });

  const ibans = fc
    .tuple(
      fc.constantFrom(['DE', 18], ['GB', 18], ['FR', 23], ['NO', 11], ['MT', 27], ['ES', 20]),
      digits(30),
      fc.boolean(),
    )
    .map(([[country, length], tail, letters]) => {
      let body = tail.slice(0, Number(length));
      if (letters) body = `WXYZ${body.slice(4)}`;
      const check = Array.from({ length: 97 }, (_, i) => String(i + 2).padStart(2, '0')).find((two) =>
        isIban(`${country}${two}${body}`),
      )!;
      return `${country}${check}${body}`;
    });

  it('finds every valid IBAN, in one piece and in groups, and none with one digit changed', () => {
    fc.assert(
      fc.property(ibans, fc.nat(40), fc.integer({ min: 1, max: 9 }), (iban, place, by) => {
        expect(redact(`IBAN ${iban} (mine)`, ['iban'])).toBe('IBAN [IBAN] (mine)');
        expect(redact(`IBAN ${iban.match(/.{1,4}/g)!.join(' ')} (mine)`, ['iban'])).toBe('IBAN [IBAN] (mine)');
        const at = 2 + (place % (iban.length - 2));
        if (/\d/.test(iban[at]!)) expect(isIban(flipped(iban, at, by))).toBe(false);
      }),
      { seed: 12, numRuns: 500 },
    );
  });

  const ids = fc
    .tuple(
      fc.constantFrom('110105', '440304', '310115', '650102'),
      fc.integer({ min: -1_262_304_000, max: 1_700_000_000 }),
      digits(3),
    )
    .map(([region, seconds, sequence]) => {
      const body = region + new Date(seconds * 1000).toISOString().slice(0, 10).replaceAll('-', '') + sequence;
      return body + [...'0123456789X'].find((check) => isCnId(body + check))!;
    });

  it('finds every valid identity number, and none with one digit changed', () => {
    fc.assert(
      fc.property(ids, fc.nat(16), fc.integer({ min: 1, max: 9 }), (id, place, by) => {
        expect(redact(`身份证号${id}。`)).toBe('身份证号[CN_ID]。');
        expect(isCnId(flipped(id, place, by))).toBe(false);
      }),
      { seed: 13, numRuns: 1000 },
    );
  });

  it('agrees with a slow modulus about IBANs', () => {
    fc.assert(
      fc.property(ibans, (iban) => {
        const number = [...(iban.slice(4) + iban.slice(0, 4))].map((c) => Number.parseInt(c, 36)).join('');
        expect(BigInt(number) % 97n).toBe(1n);
      }),
      { seed: 14, numRuns: 200 },
    );
  });
});

describe('the step', () => {
  it('looks for the kinds asked for only, and counts by kind', () => {
    const step = makePii(redacting(['email', 'phone']));
    const chat = {
      type: 'messages' as const,
      messages: [turn('user', 'a@b.com 13812345678 151.101.1.69'), turn('assistant', 'c@d.org')],
    };
    expect(step.apply(chat)).toEqual({
      example: {
        type: 'messages',
        messages: [turn('user', '[EMAIL] [PHONE] 151.101.1.69'), turn('assistant', '[EMAIL]')],
      },
    });
    expect(step.counts).toEqual({ 'email redacted': 2, 'phone redacted': 1 });
  });

  it('drops the row instead, naming the kind and how many, never the data', () => {
    const step = makePii({ kinds: KINDS, action: 'drop' });
    expect(applyToText(step, 'a@b.com or c@d.com, 13812345678')).toEqual({ rule: 'pii.email', value: 2, limit: 0 });
    expect(applyToText(step, 'nobody here')).toBe('nobody here');
    expect(step.counts).toEqual({});
  });

  it('takes an address with a number in it for the address, and what carries a checksum before what does not', () => {
    expect(findPii('11010519491231002X', KINDS).map(({ kind }) => kind)).toEqual(['cn_id']);
    expect(redact('4111111111111111@example.com')).toBe('[EMAIL]');
  });

  it.each([
    ['at signs', '@'.repeat(1_000_000)],
    ['addresses without end', 'a@a.'.repeat(250_000)],
    ['local parts', 'a.'.repeat(500_000)],
    ['digits', '1'.repeat(1_000_000)],
    ['digits and hyphens', '1-'.repeat(500_000)],
    ['digits and spaces', '4111 '.repeat(200_000)],
    ['dotted numbers', '1.'.repeat(500_000)],
    ['colons', '2001:'.repeat(200_000)],
    ['plus signs', '+1'.repeat(500_000)],
    ['plus and separators', '+1 ('.repeat(250_000)],
    ['IBAN starts', 'DE89 '.repeat(200_000)],
    ['parentheses', '('.repeat(1_000_000)],
    ['mobile starts', '138-'.repeat(250_000)],
    ['many hits', 'a@b.com 13812345678 '.repeat(50_000)],
  ])('1 MB of %s in bounded time', { timeout: 20_000 }, (_, text) => {
    const start = performance.now();
    redact(text);
    expect(performance.now() - start).toBeLessThan(4000);
  });

  it('takes a row of 10 MB', () => {
    const text = `${'The limit is 5000 and the fee is 2.50 a month. '.repeat(210_000)}a@b.com`;
    expect((redact(text) as string).endsWith('month. [EMAIL]')).toBe(true);
  });
});

const shared = process.env.LLMKIT_SHARED ?? path.resolve('../shared');

describe.skipIf(!existsSync(path.join(shared, 'data')))('real text (skipped where LLMKIT_SHARED has no data)', () => {
  // Customers' questions, arithmetic with many numbers, and plays: none of them has personal data.
  it.each(['banking77_train.csv', 'gsm8k_train.jsonl', 'tinyshakespeare.txt'])('finds nothing in %s', (file) => {
    const text = readFileSync(path.join(shared, 'data', file), 'utf8');
    expect(findPii(text, KINDS).map(({ start, end }) => text.slice(start, end))).toEqual([]);
  });
});
