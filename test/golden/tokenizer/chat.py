"""Chat templates rendered by transformers' apply_chat_template. The templates were written for this project in the
manner of the families named. Writes chat.json.gz beside itself."""
import gzip, json, os, sys
import jinja2, transformers
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

CHATML = """{% for m in messages %}<|im_start|>{{ m['role'] }}
{{ m['content'] }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

LLAMA3 = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start|>system<|end|>\\n\\n" }}
{{- "Today: " + date_string + "\\n\\n" }}
{%- if tools is not none %}
    {{- "Tools:\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start|>' + message['role'] + '<|end|>\\n\\n' + message['content'] | trim + '<|eot|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("one tool call at a time") }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '{"name": "' + call.name + '", "parameters": ' }}{{- call.arguments | tojson }}{{- "}<|eot|>" }}
    {%- elif message.role == "tool" %}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start|>assistant<|end|>\\n\\n' }}
{%- endif %}
"""

QWEN2 = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are a helpful bank clerk.' }}
    {%- endif %}
    {{- "\\n\\n# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" %}
        {%- set ns.multi_step = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content.split('</think>')[-1].lstrip('\\n') + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""

# White space control, alternation check, generation markers, loop controls, undefined tokens, macros.
STRICT = """{# a comment #}
{% if messages[0]['role'] == 'system' %}
    {% set loop_messages = messages[1:] %}
{% else %}
    {% set loop_messages = messages %}
{% endif %}
{% macro turn(role, text='') %}[{{ role | upper }}: {{ text }}]{% endmacro %}
{{ bos_token }}{{ unk_token }}|{{ nothing_of_this_name }}|
{% for message in loop_messages %}
    {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception('roles must alternate user/assistant') }}
    {% endif %}
  {% if loop.index0 > 3 %}{% break %}{% endif %}
    {% if message['role'] == 'assistant' %}
{% generation %}{{ turn('assistant', message['content']) }}{{ eos_token }}{% endgeneration %}
    {% else %}
{{ turn(message.role, message.content | replace('a', 'A') | trim) }}   
    {% endif %}
{% endfor %}
{{ messages | length }} {{ 7 // 2 }} {{ 7 / 2 }} {{ 4 / 2 }} {{ range(3) | list | length }} {% for i in range(5, 0, -2) %}{{ i }}{% endfor %} {{ "%s-%d" | length }} {{ 'x' ~ 1 ~ 2.5 }}
{{ messages | map(attribute='role') | join(', ') }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }}
{{ '--  a -'.strip('-') }}|{{ '\t a\u00a0'.strip() }}|{{ 'abc'.rstrip('bc') }}|{{ {'x': ' y '.lstrip()}['x'] }}
{{- ' end' if add_generation_prompt else '' }}
"""

TOOLS = [{"type": "function", "function": {"name": "get_balance", "description": "The balance of an <account> & more, 余额 \"now\"",
          "parameters": {"type": "object", "properties": {"account": {"type": "string"}, "limit": {"type": "number", "default": 1.5}}, "required": ["account"], "flag": True, "none": None, "empty": [], "nothing": {}}}}]
u, a, s = (lambda r: lambda c: {"role": r, "content": c})("user"), (lambda c: {"role": "assistant", "content": c}), (lambda c: {"role": "system", "content": c})
call = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "get_balance", "arguments": {"account": "账户 7", "limit": 2}}}]}
CHATS = {
    "one": [u("Hello, \"world\" & <b>!")], "system": [s("  You are brief.\n"), u(" Hi \n")], "turns": [u("a man"), a("b\n\n"), u("卡丢了 😂"), a("已挂失")],
    "long": [u("1"), a("2"), u("3"), a("4"), u("5"), a("6")], "tool": [u("balance?"), call, {"role": "tool", "content": "12.50"}, {"role": "tool", "content": "x"}, a("It's 12.50.")],
    "thinking": [u("q"), a("<think>\nhm\n</think>\n\nanswer"), u("r")], "two users": [u("a"), u("b")],
}
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(vocab={"<s>": 0, "</s>": 1}, merges=[])), bos_token="<s>", eos_token="</s>")
cases = []
for name, template in {"chatml": CHATML, "llama3": LLAMA3, "qwen2": QWEN2, "strict": STRICT}.items():
    for chat, messages in CHATS.items():
        for extra in ({}, {"tools": TOOLS}, {"enable_thinking": False}, {"date_string": "1 May 2025"}):
            for prompt in (False, True):
                case = {"template": name, "chat": chat, "tools": "tools" in extra, "prompt": prompt, "variables": {k: v for k, v in extra.items() if k != "tools"}}
                try:
                    case["text"] = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=prompt, **extra)
                except jinja2.exceptions.TemplateError as error:
                    case["refusal"] = str(error)
                cases.append(case)
data = {"versions": {"python": sys.version.split()[0], "transformers": transformers.__version__, "jinja2": jinja2.__version__},
        "templates": {"chatml": CHATML, "llama3": LLAMA3, "qwen2": QWEN2, "strict": STRICT}, "chats": CHATS, "tools": TOOLS, "cases": cases}
out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "chat.json.gz")
open(out, "wb").write(gzip.compress(json.dumps(data, ensure_ascii=False).encode(), 9, mtime=0))
print(len(cases), sum("refusal" in c for c in cases), os.path.getsize(out))
