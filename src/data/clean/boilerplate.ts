/**
 * Lines of page furniture, English and Chinese. A line goes only when all of it is furniture: the words below in a
 * sentence of an article are left alone. Every pattern is anchored and its repeats bounded, and long lines are not
 * looked at, so that the time is linear.
 */
const LONGEST_LINE = 300;

/** How the lines of ANCHORED begin: one look at the start of a line spares the rest. */
const BEGINNING =
  /^(?:copyright|©|\(c\)|&copy;|proudly|powered|we |this |our |by (?:using|continuing)|like |cookie|accept|reject|manage|allow|log|sign|register|create|my account|forgot|already|please|shar|tweet|pin|e-?mail|print|save|follow|facebook|twitter|x\b|linkedin|pinterest|reddit|whatsapp|telegram|wechat|weibo|instagram|youtube|copy link|find us|join|subscribe|get |receive|skip|back|«|<|←|previous|next|toggle|main menu|menu|search|close|load|show|see|read|click|learn|view|leave|no comments|\d|post a|related|advertisement|sponsored|continue|privacy|terms|contact|about|site|disclaimer|legal|imprint|[（(【[>»▶☞]|责任|责编|本文|编辑|校对|审核|来源|转载|作者|记者|请|先|您|登录|注册|免费|立即|马上|退出|忘记|分享|收藏|点赞|评论|转发|打印|举报|关闭|复制|微信|微博|朋友圈|QQ|点击|[上下后前]一|返回|回到|阅读|查看|展开|收起|加载|网站|联系|关于|隐私|用户|广告|热门|相关|推荐|猜你|友情|当前)/i;

/** What is in the lines of LOOSE, wherever. */
const INSIDE =
  /all rights reserved|javascript|ICP|网安|许可证|版权|保留所有权利|不得|禁止|严禁|请勿|关注|扫|长按|cookie/i;

const ANCHORED: readonly RegExp[] = [
  // Rights: © 2024 Example Ltd. All rights reserved.
  /^(?!.*\b(?:they|is|are|was|were|may|be|under|this|that|which|law|protects?)\b)(?:(?:copyright|©|\(c\)|&copy;)[\s:]{0,3}){1,3}(?:\d{4}|.{0,80}(?:all rights reserved|inc|ltd|llc|gmbh|\d{4}))\b.{0,120}$/i,
  /^(?:proudly )?powered by .{1,60}$/i,
  // Cookies and scripts.
  /^(?:we|this (?:web)?site|our (?:web)?sites?|by (?:using|continuing)|like most websites).{0,120}\bcookies?\b.{0,160}$/i,
  /^(?:cookie (?:policy|settings?|preferences|notice|consent)|(?:accept|reject|manage|allow)(?: all)?(?: optional)? cookies?|cookies?)!?$/i,
  // Doors.
  /^(?:log ?[io]n|log ?out|sign ?(?:in|up|out)|register|create (?:an |your )?account|my account|forgot(?: your)? password\??|already have an account\??.{0,20})(?: (?:now|here|today|to .{1,40}))?!?$/i,
  /^(?:please )?(?:log|sign) ?in (?:or|\/) ?(?:register|sign ?up|create (?:an )?account)(?: to .{1,40})?!?$/i,
  // Sharing and subscribing.
  /^share(?: (?:this|on|via|with|it|the).{0,40})?[:!]?$/i,
  /^(?:share|tweet|pin|e-?mail|print|save|like|follow|facebook|twitter|x|linkedin|pinterest|reddit|whatsapp|telegram|wechat|weibo|instagram|youtube|copy link|[\s,|/·•&]){2,24}[:!]?$/i,
  /^(?:follow|like|find|join) us(?: on .{1,60})?[:!]?$/i,
  /^(?:subscribe|sign ?up)(?: (?:now|today|here|to|for).{0,60})?!?$/i,
  /^(?:get|join|receive) (?:our|the) .{0,30}\b(?:newsletter|updates|mailing list)\b.{0,40}$/i,
  // Moving about.
  /^(?:skip to (?:main )?(?:content|navigation|search)|back to (?:top|home|the top)|(?:«|<|←)? ?previous(?: (?:post|article|page|story))?|next(?: (?:post|article|page|story))? ?(?:»|>|→)?|toggle navigation|main menu|menu|search|close|load more|show more|see more|read more|click here|learn more|view all|print(?: this page)?)(?: ?(?:\.{3}|…|»|>|→))?:?$/i,
  /^(?:leave a (?:comment|reply)|no comments(?: yet)?|\d{1,6} comments?|post a comment|related (?:posts|articles|stories|links)|advertisement|sponsored(?: content)?|continue reading.{0,40}):?$/i,
  /^(?:privacy(?: policy| notice)?|terms(?: (?:of (?:use|service)|and conditions|& conditions))?|contact us|about us|site ?map|disclaimer|legal notice|imprint):?$/i,
  // 版权与备案。
  /^[（(【[]?(?:责任编辑|责编|本文编辑|编辑|校对|审核|来源|转载自|作者|记者)[：:].{1,30}[）)】\]]?$/,
  // 登录、分享、关注。
  /^(?:请?(?:先|您)?(?:登录|注册)|登录\s{0,2}[|/／·]?\s{0,2}(?:免费)?注册|(?:免费|立即|马上)(?:登录|注册)|退出(?:登录)?|忘记密码[？?]?|(?:登录|注册)(?:后|即可).{1,20})[。！!]?$/,
  /^(?:分享(?:(?:到|至|给)[：:]?|[：:]|本文|文章|此文).{0,24}|(?:分享|收藏|点赞|评论|转发|打印|举报|关闭|复制链接|微信|微博|朋友圈|QQ空间|QQ|[\s|/、，·]){2,16})[：:]?$/,
  // 点击、翻页、导航。
  /^(?:请|[>»▶☞]\s?)?点击(?:这里|此处|查看|阅读|进入|下载|加载|展开|上方|下方|右上角|图片|链接|原文|了解|购买|报名|播放|关注|收藏).{0,24}$/,
  /^(?:[<«←]\s?)?(?:上一|下一|上一|后一|前一)[篇页条章]?(?:文章|新闻)?(?:[：:].{0,60})?(?:\s?[>»→])?$/,
  /^(?:返回(?:顶部|首页|列表|上一页|目录)|回到顶部|阅读(?:全文|原文|更多)|查看(?:更多|全文|详情|原文)|展开(?:全文|更多|阅读)?|收起|加载(?:更多|中)(?:\.{3}|…)?|网站地图|联系我们|关于我们|免责声明|隐私(?:政策|声明)|用户协议|广告(?:服务|合作)?|热门(?:推荐|文章|标签)|相关(?:阅读|文章|推荐|新闻|链接)|推荐阅读|猜你喜欢|友情链接)[：:>»]{0,2}$/,
  /^(?:您(?:现在)?的?(?:当前)?(?:所在)?(?:位置|现在的位置)(?:是|在)?|当前位置)[：:].{1,80}$/,
];

const LOOSE: readonly RegExp[] = [
  /^.{0,80}\ball rights reserved[\s.,|*)"”）]{0,40}$/i,
  /^.{0,40}(?:enable|requires?|turn on|without) javascript.{0,100}$/i,
  /^.{0,60}(?:ICP[备证]|公网安备|网安备案?|增值电信业务经营许可证|网络文化经营许可证|信息网络传播视听节目许可证|互联网(?:新闻信息|药品信息|出版)服务许可证).{0,100}$/i,
  /^.{0,60}(?:版权所有|保留所有权利|版权声明|未经.{0,12}(?:许可|授权|允许|同意).{0,12}(?:不得|禁止|严禁|请勿)(?:转载|复制|使用)).{0,100}$/,
  /^.{0,30}(?:关注|扫描?(?:上方|下方|二维码)|扫码|长按).{0,20}(?:公众号|二维码|微信|微博|抖音|小程序|视频号|获取|下载).{0,30}$/,
  /^.{0,20}(?:本(?:网)?站|本页面)使用.{0,12}cookies?.{0,80}$/i,
];

/** What the entries of a navigation bar are called; two of them in a line of three or more tell a bar. */
const MENU_WORD =
  /^(?:home(?: ?page)?|about(?: us)?|contact(?: us)?|news|blog|products?|services?|solutions|support|help|faqs?|login|log ?in|sign ?in|sign ?up|register|search|sitemap|site map|careers|jobs|press|privacy(?: policy)?|terms(?: of (?:use|service))?|gallery|forums?|shop|store|cart|checkout|account|my account|downloads?|archives?|categories|tags|rss|menu|events|team|pricing|docs|documentation|partners|investors|首页|主页|网站首页|关于我们|关于|联系我们|联系|新闻|新闻中心|新闻动态|产品|产品中心|产品展示|服务|服务支持|解决方案|帮助|帮助中心|登录|注册|论坛|博客|下载|下载中心|招聘|加入我们|人才招聘|网站地图|留言|在线留言|搜索|购物车|我的|隐私政策|用户协议|专题|视频|图片|财经|体育|娱乐|科技|军事|房产|汽车|国际|国内|社会|教育|健康|旅游)$/i;
const SEPARATOR = /\s?[|｜·•»›>／]\s?|\s\/\s|\t|\s{2,}/;

/** The text without its lines of page furniture; empty when there is nothing else. */
export function removeBoilerplate(text: string): string {
  const loose = INSIDE.test(text);
  let kept = '';
  /** What follows `from` is not yet in `kept`. */
  let from = 0;
  for (let start = 0; start <= text.length;) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    if (end - start <= 2 * LONGEST_LINE && isFurniture(text.slice(start, end), loose)) {
      kept += text.slice(from, start);
      from = end + 1;
    }
    start = end + 1;
  }
  if (from === 0) return text;
  // The line end before a last line that goes is of that line.
  return from > text.length ? kept.replace(/\n$/, '') : kept + text.slice(from);
}

export function isBoilerplate(line: string): boolean {
  return line.length <= 2 * LONGEST_LINE && isFurniture(line, true);
}

function isFurniture(line: string, loose: boolean): boolean {
  const trimmed = line.trim();
  if (trimmed === '' || trimmed.length > LONGEST_LINE) return false;
  // A line that begins in lower case goes on from the one before: "in this\ndisclaimer".
  if (!/^[a-z]/.test(trimmed) && BEGINNING.test(trimmed) && ANCHORED.some((pattern) => pattern.test(trimmed)))
    return true;
  if (loose && INSIDE.test(trimmed) && LOOSE.some((pattern) => pattern.test(trimmed))) return true;
  return isMenu(trimmed);
}

/** `Home | About | Contact`, `首页 > 新闻 > 正文`: three short entries or more, two of them a menu's. */
function isMenu(line: string): boolean {
  if (!SEPARATOR.test(line)) return false;
  const entries = line.split(SEPARATOR).filter((entry) => entry !== '');
  if (entries.length < 3 || entries.some((entry) => entry.length > 30)) return false;
  const known = entries.filter((entry) => MENU_WORD.test(entry.trim())).length;
  const trail = /[»›>]/.test(line) && /^(?:home|首页|主页)$/i.test(entries[0]!.trim());
  return trail || (known >= 2 && known * 3 >= entries.length);
}
