"""Conversations with tools, system texts and several answers: tokens and assistant masks as transformers makes them.

    CUDA_VISIBLE_DEVICES= python make_tools.py

Writes tools-tokenizer/ (a small byte-level BPE that splits as Llama 3 does) and tools.json beside this script. The
templates have the traits of the families they are named for. The mask is transformers' own
(`return_assistant_tokens_mask`), which reads the {% generation %} marks; llmkit gets the same templates without marks.
"""

import json
import pathlib
import shutil

import tokenizers
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent

SPECIAL = (
    "<|endoftext|> <|im_start|> <|im_end|> <|begin_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|> <s> </s> "
    "[INST] [/INST] [TOOL_CALLS] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_RESULTS] [/TOOL_RESULTS] <bos> "
    "<start_of_turn> <end_of_turn>"
).split()
# In the vocabulary, but text to decoding, as in Qwen's tokenizers.
ADDED = ["<tool_call>", "</tool_call>"]
LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# @ and $ stand for the generation marks.
TEMPLATES = {
    "qwen": """
{%- set first = messages[0] if messages[0].role == 'system' else none %}
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if first %}{{- first.content + '\\n\\n' }}{%- endif %}
    {{- 'Call functions from this list:\\n<tools>' }}
    {%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
    {{- '\\n</tools><|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\n' + (first.content if first else 'Be of help.') + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' }}@
        {%- if message.content %}{{- message.content }}{%- endif %}
        {%- for call in message.tool_calls or [] %}
            {%- if call.function is defined %}{%- set call = call.function %}{%- endif %}
            {%- if message.content or not loop.first %}{{- '\\n' }}{%- endif %}
            {{- '<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}{{- call.arguments | tojson }}{{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>' }}${{- '\\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
""",
    "llama3.1": """
{{- '<|begin_of_text|>' }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = '' %}
{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
{%- if tools is not none %}{{- 'Environment: ipython\\n' }}{%- endif %}
{{- system_message + '<|eot_id|>' }}
{%- if tools is not none %}
    {%- set first_user_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
    {{- '<|start_header_id|>user<|end_header_id|>\\n\\nFunctions, as JSON:\\n\\n' }}
    {%- for t in tools %}{{- t | tojson(indent=4) }}{{- '\\n\\n' }}{%- endfor %}
    {{- first_user_message + '<|eot_id|>' }}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {%- if message.role == 'assistant' %}
            {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}@{{- message['content'] | trim + '<|eot_id|>' }}$
        {%- else %}
            {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
        {%- endif %}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls | length == 1 %}{{- raise_exception('one call at a time') }}{%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}@{{- '{"name": "' + tool_call.name + '", "parameters": ' }}{{- tool_call.arguments | tojson }}{{- '}<|eot_id|>' }}$
    {%- else %}
        {{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' }}{{- message.content | tojson }}{{- '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}
""",
    "hermes": """
{%- if tools %}
    {{- '<|im_start|>system\\nTools: ' }}{{- tools | tojson }}{{- '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'assistant' %}@
        {{- message.content }}
        {%- if message.tool_calls is defined and message.tool_calls %}
            {%- for call in message.tool_calls %}
                {{- '\\n<tool_call>\\n' }}{{- call.function | tojson }}{{- '\\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>' }}${{- '\\n' }}
    {%- elif message.role == 'tool' %}
        {{- '<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
    {%- else %}
        {{- message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
""",
    "mistral": """
{{- '<s>' }}
{%- if messages[0].role == 'system' %}
    {%- set system_message = messages[0].content %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- for message in loop_messages %}
    {%- if message.role == 'user' %}
        {%- if loop.first and tools %}{{- '[AVAILABLE_TOOLS] ' }}{{- tools | tojson }}{{- '[/AVAILABLE_TOOLS]' }}{%- endif %}
        {{- '[INST] ' }}
        {%- if loop.first and system_message is defined %}{{- system_message + '\\n\\n' }}{%- endif %}
        {{- message.content + '[/INST]' }}
    {%- elif message.role == 'assistant' %}@
        {%- if message.tool_calls %}
            {{- '[TOOL_CALLS] [' }}
            {%- for call in message.tool_calls %}{{- call.function | tojson }}{%- if not loop.last %}{{- ', ' }}{%- endif %}{%- endfor %}
            {{- ']</s>' }}
        {%- else %}
            {{- ' ' + message.content | trim + '</s>' }}
        {%- endif %}$
    {%- elif message.role == 'tool' %}
        {{- '[TOOL_RESULTS] ' }}{{- {'content': message.content} | tojson }}{{- '[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception('only user, assistant and tool may follow the system text') }}
    {%- endif %}
{%- endfor %}
""",
    "gemma": """
{{- '<bos>' }}
{%- if messages[0]['role'] == 'system' %}
    {%- set prefix = messages[0]['content'] + '\\n\\n' %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set prefix = '' %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{- raise_exception('roles must alternate') }}{%- endif %}
    {%- if message['role'] == 'assistant' %}
        {{- '<start_of_turn>model\\n' }}@{{- message['content'] | trim }}{{- '<end_of_turn>' }}${{- '\\n' }}
    {%- else %}
        {{- '<start_of_turn>' + message['role'] + '\\n' + (prefix if loop.first else '') }}{{- message['content'] | trim }}{{- '<end_of_turn>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<start_of_turn>model\\n' }}{%- endif %}
""",
}

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather at a place, in °C.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer"}}, "required": ["place"]},
    },
}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "The time.", "parameters": {"type": "object", "properties": {}}}}


def call(name, **arguments):
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def user(text):
    return {"role": "user", "content": text}


def answer(text, *calls):
    return {"role": "assistant", "content": text, **({"tool_calls": list(calls)} if calls else {})}


def result(text):
    return {"role": "tool", "content": text}


SYSTEM = {"role": "system", "content": "You answer briefly, in the language of the question."}
PLAIN = {
    "one answer": [user("How many legs has a spider?"), answer("Eight.")],
    "system and several answers": [SYSTEM, user("Hello!"), answer("Hello. How can I help?"), user("三加四？"), answer("七。"), user("Thanks"), answer("Any time 😀")],
    "white space around contents": [user("  indented\n"), answer("\n  code:\n    x = 1\n"), user("again?"), answer(" yes ")],
    "the answer repeats the question": [user("model"), answer("model"), user("assistant"), answer("assistant")],
    "ends with the user": [SYSTEM, user("a"), answer("b"), user("c")],
}
TOOLS = {
    "a call, its result and the answer": [user("Weather in Oslo?"), answer("", call("weather", place="Oslo", days=2)), result('{"celsius": -3}'), answer("It is -3 °C in Oslo.")],
    "with a system text and non-ASCII arguments": [SYSTEM, user("北京天气？"), answer("", call("weather", place="北京")), result("晴"), answer("晴。"), user("谢谢"), answer("不客气。")],
    "ends with the call": [SYSTEM, user("What time is it?"), answer("", call("clock"))],
    "tools that are not called": [user("Say hi"), answer("hi")],
}
# Where a template allows them.
MORE_TOOLS = {
    "two calls at once": [user("Oslo and Rome?"), answer("", call("weather", place="Oslo"), call("weather", place="Rome")), result("-3"), result("14"), answer("-3 and 14 °C.")],
    "text before the call": [user("Time?"), answer("Let me look.", call("clock")), result("12:00"), answer("Noon.")],
}
ALLOWS = {"qwen": ["two calls at once", "text before the call"], "hermes": ["two calls at once", "text before the call"], "mistral": ["two calls at once"]}


def main():
    texts = [json.dumps(c, ensure_ascii=False) for group in (PLAIN, TOOLS, MORE_TOOLS) for c in group.values()]
    texts += ["system user assistant model tool ipython Tools Functions, as JSON:\n\nEnvironment: ipython\n" * 5, json.dumps([WEATHER, CLOCK], indent=4)] * 3
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in ADDED])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<|endoftext|>")
    shutil.rmtree(HERE / "tools-tokenizer", ignore_errors=True)
    fast.save_pretrained(HERE / "tools-tokenizer")

    cases, pairs = [], []
    for template, marked in TEMPLATES.items():
        marked = marked.strip()
        with_marks = marked.replace("@", "{% generation %}").replace("$", "{% endgeneration %}")
        conversations = [(n, c, None) for n, c in PLAIN.items()]
        if template != "gemma":
            conversations += [(n, c, [WEATHER, CLOCK]) for n, c in TOOLS.items()]
            conversations += [(n, MORE_TOOLS[n], [WEATHER, CLOCK]) for n in ALLOWS.get(template, [])]
        for name, messages, tools in conversations:
            out = fast.apply_chat_template(
                messages, tools=tools, chat_template=with_marks, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
            )
            case = {"template": template, "name": name, "messages": messages, "input_ids": out["input_ids"], "mask": out["assistant_masks"]}
            cases.append(case if tools is None else {**case, "tools": tools})
        plain = marked.replace("@", "").replace("$", "")
        ids = lambda messages, **more: fast.apply_chat_template(messages, chat_template=plain, tokenize=True, return_dict=False, **more)
        prompt = [SYSTEM, user("Hello!"), answer("Hello. How can I help?"), user("Name a colour.")]
        pairs.append(
            {
                "template": template,
                "prompt": prompt,
                "chosen": [answer("Blue.")],
                "rejected": [answer("I would rather not name one.")],
                "prompt_ids": ids(prompt, add_generation_prompt=True),
                "chosen_ids": ids([*prompt, answer("Blue.")]),
                "rejected_ids": ids([*prompt, answer("I would rather not name one.")]),
            }
        )
    versions = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
    templates = {k: v.strip().replace("@", "").replace("$", "") for k, v in TEMPLATES.items()}
    record = {"versions": versions, "templates": templates, "cases": cases, "pairs": pairs}
    (HERE / "tools.json").write_text(json.dumps(record, ensure_ascii=False) + "\n")


main()
