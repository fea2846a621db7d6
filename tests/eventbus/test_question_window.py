from __future__ import annotations

from eventbus.question_window import QuestionWindow


def test_only_so_many_questions_are_under_way() -> None:
    window = QuestionWindow(width=2, patience=5)
    window.ask(["a", "b", "c"])
    assert window.due(0) == ["a", "b"]
    assert window.due(0) == []
    assert window.answered("a")
    assert window.due(0) == ["c"]


def test_an_unanswered_question_goes_to_the_end_of_the_row() -> None:
    window = QuestionWindow(width=1, patience=5)
    window.ask(["a", "b"])
    assert window.due(0) == ["a"]
    assert window.due(5) == ["b"]
    assert window.answered("b")
    assert window.due(6) == ["a"]


def test_foreign_and_forgotten_answers_count_for_nothing() -> None:
    window = QuestionWindow()
    assert not window.answered("a")
    window.ask(["a", "b"])
    window.forget("a")
    assert window.due(0) == ["b"]
    window.forget("b")
    assert not window.answered("b")


def test_asking_again_repeats_a_question_under_way() -> None:
    window = QuestionWindow()
    window.ask(["a"])
    assert window.due(0) == ["a"]
    window.ask(["a"])
    assert window.due(0) == ["a"]
