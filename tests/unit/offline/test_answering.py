"""The answering model without a server: it quotes, follows, calls or refuses."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from parley.offline.answering import Reply, reply
from parley.offline.errors import InvalidRequest
from parley.offline.schemas import ChatRequest
from parley.offline.words import spoken_numbers, stem, telling

KNOWLEDGE = """Knowledge:

[1] The Copper Kettle is a tea house in Elmwood. The kitchen serves warm food until nine in the evening.

[2] A table by the river can be reserved by telephone. Dogs are welcome on the terrace.

[3] The Copper Kettle was founded by two sisters in nineteen sixty."""


def bag_of_words(texts: Sequence[str]) -> NDArray[np.float32]:
    """Stands in for MiniLM: texts are as close as the stems they share."""
    stems = [set(telling(text)) for text in texts]
    vocabulary = sorted(set().union(*stems))
    vectors = np.array([[word in found for word in vocabulary] for found in stems], np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def answer(
    question: str | None, *, instructions: str = "You are Maud of the Copper Kettle.", **options: object
) -> Reply:
    messages = [{"role": "system", "content": instructions}, {"role": "system", "content": KNOWLEDGE}]
    if question is not None:
        messages.append({"role": "user", "content": question})
    request = ChatRequest.model_validate({"messages": [*messages, *options.pop("after", [])], **options})
    return reply(request, bag_of_words)


def tool(name: str, description: str = "", **properties: dict[str, object]) -> dict[str, object]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Until when does the kitchen serve warm food?", "until nine in the evening"),
        ("who founded the copper kettle", "two sisters"),
        ("are dogs welcome on the terrace", "Dogs are welcome"),
        ("can i reserve a table by the reaver", "reserved by telephone"),
    ],
)
def test_the_telling_sentence_is_quoted(question: str, expected: str) -> None:
    assert expected in answer(question).text


@pytest.mark.parametrize(
    "question",
    [
        "What is the address of the owner of the Copper Kettle?",
        "Does the Copper Kettle sell umbrellas?",
        "How long is the wait for a taxi to the airport?",
        "Which kettle should I buy for my camping trip?",
    ],
)
def test_a_question_whose_telling_words_are_not_covered_is_refused(question: str) -> None:
    assert "do not know" in answer(question).text


def test_without_knowledge_every_question_is_refused() -> None:
    request = ChatRequest.model_validate({"messages": [{"role": "user", "content": "When does the kitchen close?"}]})

    assert "do not know" in reply(request, bag_of_words).text


def test_the_refusal_can_be_worded_by_the_instructions() -> None:
    refused = answer("Do you sell umbrellas?", instructions='If you do not know, say: "Let me ask a colleague."')

    assert refused.text == "Let me ask a colleague."


def test_an_exact_reply_is_said_whatever_is_asked() -> None:
    assert (
        answer("who founded it", instructions="Be kind.\nSay exactly: All lines are busy.").text
        == "All lines are busy."
    )


def test_a_rule_of_the_instructions_comes_before_the_knowledge() -> None:
    instructions = "When asked about dogs, say: Only small ones."

    assert answer("are dogs welcome on the terrace", instructions=instructions).text == "Only small ones."
    assert "two sisters" in answer("who founded the copper kettle", instructions=instructions).text


def test_small_talk_comes_from_the_instructions() -> None:
    assert "Maud" in answer("hello").text
    assert "Copper Kettle" in answer("who am i speaking with").text
    assert answer("thank you very much").text == "You are welcome."
    assert answer("okay goodbye").text == "Goodbye."


def test_what_was_cut_off_is_said_again() -> None:
    said = {"role": "assistant", "content": "Dogs are welcome on the terrace."}
    cut_off = {"role": "system", "content": "What you said last was cut off. Say briefly what was not heard of it."}
    assert answer("May my dog come?", after=[said, cut_off]).text == "Dogs are welcome on the terrace."


def test_an_instruction_to_greet_is_followed_without_a_question() -> None:
    greeting = [{"role": "system", "content": "Greet the caller and offer your help."}]

    assert "Maud" in answer(None, after=greeting).text


def test_a_tool_is_called_when_the_question_asks_for_it() -> None:
    tools = [tool("get_weather", city={"type": "string"}), tool("order_status", order_id={"type": "string"})]

    called = answer("What is the status of order number four two seven?", tools=tools).calls
    assert [(call.name, call.arguments) for call in called] == [("order_status", {"order_id": "427"})]
    assert [call.arguments for call in answer("how is the weather in Lisbon", tools=tools).calls] == [
        {"city": "Lisbon"}
    ]
    assert "two sisters" in answer("who founded the copper kettle", tools=tools).text


def test_a_tool_that_lacks_an_argument_is_not_called_but_asked_about() -> None:
    asked = answer("what is the status of my order", tools=[tool("order_status", order_id={"type": "string"})])

    assert asked.calls == []
    assert "order id" in asked.text


def test_a_tool_without_arguments_is_called_from_its_description() -> None:
    hang_up = tool("end_call", "Ends the call when the caller says goodbye.")

    assert [call.name for call in answer("goodbye", tools=[hang_up]).calls] == ["end_call"]


def test_tool_choice_is_obeyed() -> None:
    tools = [tool("order_status", order_id={"type": "string"})]

    assert answer("status of order seven", tools=tools, tool_choice="none").calls == []
    assert answer("hello", tools=tools, tool_choice="required").calls[0].name == "order_status"
    with pytest.raises(InvalidRequest, match="refund"):
        answer("hello", tools=tools, tool_choice={"type": "function", "function": {"name": "refund"}})


def test_the_result_of_a_tool_is_read_out() -> None:
    result = [{"role": "tool", "content": '{"status": "on its way", "days_left": 2}', "tool_call_id": "1"}]

    assert answer("where is my order", after=result).text == "Status: on its way. Days left: 2."


@pytest.mark.parametrize("role", ["system", "user"])
def test_the_knowledge_of_the_latest_turn_comes_first(role: str) -> None:
    later = [
        {"role": "assistant", "content": "Until nine."},
        {
            "role": role,
            "content": "Knowledge:\n\n[4f 1] The kitchen serves warm food until ten in the evening.\n\n[4f end]",
        },
        {"role": "user", "content": "until when does the kitchen serve warm food"},
    ]

    assert "until ten" in answer("hello", after=later).text


@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        ("order four two seven please", ["427"]),
        ("forty-two", ["42"]),
        ("rooms twenty one and three", ["21", "3"]),
        ("nineteen eighty four", ["1984"]),
        ("no number at all", []),
    ],
)
def test_numbers_are_understood_as_they_are_spoken(said: str, numbers: list[str]) -> None:
    assert spoken_numbers(said) == numbers


def test_forms_of_a_word_have_one_stem() -> None:
    for forms in (("opens", "opening", "opened"), ("company", "companies"), ("serve", "served", "serving")):
        assert len({stem(form) for form in forms}) == 1


def test_words_that_were_not_understood_are_given_no_label() -> None:
    instructions = 'Classify.\nInput: "Leave a message after the tone"\nOutput: machine\nInput: "Hello"\nOutput: human'
    label = {"type": "string", "enum": ["human", "machine", "uncertain"]}
    options = {"instructions": instructions, "tools": [tool("save", label=label)], "tool_choice": "required"}
    labels = [
        answer(said, **options).calls[0].arguments["label"] for said in ("leave a message please", "lol luck with it")
    ]
    assert labels == ["machine", "uncertain"]


TRANSFER = tool(
    "transfer_call",
    "Transfer the call to another number.",
    to={"type": "string", "description": "Number in E.164 form, such as +17751234567."},
)


@pytest.mark.parametrize(
    "said",
    [
        "Please transfer the call to +17751234567",
        "transfer this call to +1 (775) 123-4567 please",
        "transfer my call to plus one seven seven five one two three four five six seven",
    ],
)
def test_a_number_to_transfer_to_is_understood_written_and_spoken(said: str) -> None:
    (called,) = answer(said, tools=[TRANSFER]).calls
    assert (called.name, called.arguments) == ("transfer_call", {"to": "+17751234567"})


def test_a_number_to_transfer_to_is_asked_for_in_words() -> None:
    assert answer("Please transfer the call", tools=[TRANSFER]).text == "Please tell me the number."
