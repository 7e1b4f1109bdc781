// Short texts with sums that are right, in English and Chinese: shopping, balances, interest, time, units, days.
import { pick } from './grammar.mjs';

const NAMES_EN = ['Anna', 'Tom', 'Grace', 'Daniel', 'Mei', 'Omar', 'Lucy', 'Peter', 'Sofia'];
const NAMES_ZH = ['小王', '李老师', '张阿姨', '小陈', '刘先生', '赵女士', '小林', '周师傅'];
const DAYS_EN = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const DAYS_ZH = ['周一', '周二', '周三', '周四', '周五', '周六', '周日'];
const FRUIT_EN = ['apples', 'pears', 'oranges', 'lemons', 'peaches'];
const FRUIT_ZH = ['苹果', '梨', '橘子', '桃子', '柠檬'];

/** A whole number from low to high, both included. */
function between(next, low, high) {
  return low + Math.floor(next() * (high - low + 1));
}

function clock(minutes) {
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}`;
}

/** Amounts of at least a thousand carry a comma in English. */
function grouped(value) {
  return value.toLocaleString('en-US');
}

/** Each draws its numbers and returns [English, Chinese]. */
const SUMS = [
  (next) => {
    const [count, price] = [between(next, 2, 9), between(next, 2, 9)];
    const fruit = between(next, 0, FRUIT_EN.length - 1);
    return [
      `${pick(next, NAMES_EN)} buys ${count} ${FRUIT_EN[fruit]} for ${price} coins each and pays ${count * price} coins.`,
      `${pick(next, NAMES_ZH)}买了${count}个${FRUIT_ZH[fruit]}，每个${price}块，一共付了${count * price}块。`,
    ];
  },
  (next) => {
    const [balance, payment] = [between(next, 40, 200) * 10, between(next, 3, 35) * 10];
    return [
      `The balance was ${grouped(balance)}. After a payment of ${payment} it is ${grouped(balance - payment)}.`,
      `账户余额是${balance}块，付了${payment}块以后还剩${balance - payment}块。`,
    ];
  },
  (next) => {
    const [saved, month] = [between(next, 2, 12), between(next, 2, 30) * 10];
    return [
      `Whoever saves ${month} every month has ${grouped(month * saved)} after ${saved} months.`,
      `每个月存${month}块，${saved}个月以后就有${month * saved}块。`,
    ];
  },
  (next) => {
    const [sum, rate] = [between(next, 2, 60) * 100, between(next, 1, 9)];
    return [
      `At an interest rate of ${rate} percent, ${grouped(sum)} earns ${grouped((sum * rate) / 100)} in one year.`,
      `年利率百分之${rate}，${sum}块存一年的利息是${(sum * rate) / 100}块。`,
    ];
  },
  (next) => {
    const [start, length] = [between(next, 84, 220) * 5, between(next, 4, 30) * 5];
    const [hours, minutes] = [Math.floor(length / 60), length % 60];
    const english = [hours && `${hours} ${hours === 1 ? 'hour' : 'hours'}`, minutes && `${minutes} minutes`];
    const chinese = [hours && `${hours}小时`, minutes && `${minutes}分钟`];
    return [
      `The train leaves at ${clock(start)} and arrives at ${clock(start + length)}, so the journey takes ${english.filter(Boolean).join(' and ')}.`,
      `火车${clock(start)}出发，${clock(start + length)}到，路上要${chinese.filter(Boolean).join('')}。`,
    ];
  },
  (next) => {
    const [day, later] = [between(next, 0, 6), between(next, 2, 6)];
    return [
      `If today is ${DAYS_EN[day]}, it will be ${DAYS_EN[(day + later) % 7]} in ${later} days.`,
      `今天是${DAYS_ZH[day]}，${later}天以后是${DAYS_ZH[(day + later) % 7]}。`,
    ];
  },
  (next) => {
    const [a, b] = [between(next, 2, 12), between(next, 2, 12)];
    return [`${a} times ${b} is ${a * b}.`, `${a}乘${b}等于${a * b}。`];
  },
  (next) => {
    const [a, b] = [between(next, 10, 99), between(next, 10, 99)];
    return [`${a} plus ${b} is ${a + b}.`, `${a}加${b}等于${a + b}。`];
  },
  (next) => {
    const [price, off] = [between(next, 2, 40) * 10, pick(next, [10, 20, 50])];
    const paid = (price * (100 - off)) / 100;
    return [
      `A coat that costs ${price} is sold with a discount of ${off} percent, so the customer pays ${paid}.`,
      `一件${price}块的外套便宜百分之${off}，顾客付${paid}块。`,
    ];
  },
  (next) => {
    const [months, each] = [pick(next, [6, 12, 24, 36]), between(next, 2, 25) * 20];
    return [
      `A loan of ${grouped(months * each)} without interest is paid back in ${months} months at ${each} a month.`,
      `借${months * each}块，不算利息，分${months}期还，每个月还${each}块。`,
    ];
  },
  (next) => {
    const [people, each] = [between(next, 2, 8), between(next, 6, 40)];
    return [
      `${people} friends share a bill of ${people * each}, and each of them pays ${each}.`,
      `${people}个朋友一起吃饭，一共${people * each}块，每人付${each}块。`,
    ];
  },
  (next) => {
    const kilometres = between(next, 2, 20);
    return [
      `${kilometres} kilometres are ${grouped(kilometres * 1000)} metres.`,
      `${kilometres}公里等于${kilometres * 1000}米。`,
    ];
  },
];

/** One document of three sums, in one language. */
export function numbersDocument(next, language) {
  const sums = [];
  while (sums.length < 3) {
    const sum = pick(next, SUMS);
    if (!sums.includes(sum)) sums.push(sum);
  }
  const side = language === 'zh' ? 1 : 0;
  return sums.map((sum) => sum(next)[side]).join(side === 0 ? ' ' : '');
}
