import { describe, expect, it } from 'vitest';
import { isBoilerplate, removeBoilerplate } from '../../src/data/clean/boilerplate.ts';
import { makeCleaner } from '../../src/data/clean/text.ts';
import { CLEAN, turn } from './clean-helpers.ts';

describe('page furniture', () => {
  it.each([
    'We use cookies to give you the best experience on our website.',
    'This site uses cookies. By continuing you agree.',
    'Accept all cookies',
    '© 2024 Example Ltd. All rights reserved.',
    'Copyright © 2019-2024 Example Inc.',
    'All rights reserved.',
    'Powered by WordPress',
    'Please enable JavaScript to view the comments.',
    'Log in',
    'Sign up now',
    'Sign in or register',
    'Forgot your password?',
    'Share this article',
    'Share on Facebook',
    'Facebook Twitter LinkedIn WhatsApp',
    'Tweet | Share | Email',
    'Follow us on Instagram',
    'Subscribe to our newsletter',
    'Skip to main content',
    'Back to top',
    'Read more »',
    'Next article →',
    'Leave a comment',
    '12 comments',
    'Related posts',
    'Advertisement',
    'Privacy Policy',
    'Home | About | Contact',
    'Home > Products > Cards',
    'News · Sports · Business · Login',
    '京ICP备12345678号-1',
    '沪公网安备 31010102000123号',
    'Copyright © 2010-2024 某某科技有限公司 版权所有',
    '版权所有：某某网，未经许可不得转载',
    '责任编辑：张三',
    '（来源：某某日报）',
    '登录 | 注册',
    '请先登录',
    '分享到：微信 微博 QQ空间',
    '扫码关注我们的公众号',
    '点击查看更多',
    '点击此处下载APP',
    '上一篇：银行的历史',
    '下一篇',
    '返回顶部',
    '阅读全文',
    '相关阅读',
    '首页 > 新闻 > 正文',
    '首页 关于我们 产品中心 联系我们'.replaceAll(' ', ' | '),
    '当前位置：首页 > 财经',
    '您的位置：首页',
  ])('takes %s away', (line) => {
    expect(isBoilerplate(line)).toBe(true);
  });

  it.each([
    'The cookies were baked at 180 degrees and eaten at once.',
    'We use cookies in this recipe instead of biscuits, and then we add a layer of cream that has been whipped for a while. '.repeat(
      3,
    ),
    'Copyright law protects the author for seventy years.',
    'He asked how to log in to the online bank.',
    'You can log in with your card number and PIN, then choose Payments.',
    'The next article explains why the bank closed the branch.',
    'Share prices fell by three percent on Monday.',
    'Shares in the bank were down.',
    'Click the button, then enter the amount and confirm with your fingerprint.',
    'Home prices rose again.',
    'a | b | c',
    'if (a || b) return c | d;',
    '| Name | Age |',
    'The news about the search for a new home was good.',
    'Terms used in this chapter are explained below.',
    'Comments on the draft were many.',
    'print(x)',
    'disclaimer.',
    'log in.',
    'next',
    'Search.',
    'Foundation; All Rights Reserved" are retained in Python alone or',
    '(C) Free Software Foundation, Inc.  They are distributed under the GNU',
    '版权是作者的权利，保护期为五十年。',
    '客户可以登录网上银行，然后点击转账按钮，输入金额并确认。',
    '他上一篇文章写的是银行的历史，这一篇写的是货币的起源与发展，内容十分丰富。',
    '点击率是衡量广告效果的指标。',
    '分享经济改变了城市的出行方式，也带来了新的问题。',
    '登录后台需要管理员权限，请联系信息技术部门的同事。',
    '首页设计要简洁。',
    '关注民生，服务百姓。',
    '作者用十年时间写成了这本书。',
    '',
  ])('leaves %s', (line) => {
    expect(isBoilerplate(line)).toBe(false);
  });

  it('takes only the lines, and returns the very text when there are none', () => {
    expect(removeBoilerplate('Home | About | Contact\nA sentence.\n\nShare this article\n')).toBe('A sentence.\n\n');
    const text = 'nothing here | at all';
    expect(removeBoilerplate(text)).toBe(text);
  });

  it('may empty a document, never a turn of a conversation', () => {
    const step = makeCleaner({ ...CLEAN, boilerplate: true });
    expect(step.apply({ type: 'text', text: 'Log in' })).toEqual({ example: { type: 'text', text: '' } });
    const chat = { type: 'messages' as const, messages: [turn('user', 'Log in'), turn('assistant', 'Share\nLog in')] };
    expect(step.apply(chat)).toEqual({ example: chat });
    const answer = { type: 'prompt-completion' as const, prompt: 'Q', completion: 'The answer.\nShare this article' };
    expect(step.apply(answer)).toEqual({ example: { ...answer, completion: 'The answer.' } });
  });
});
