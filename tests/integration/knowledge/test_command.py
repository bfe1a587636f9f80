from knowledge.__main__ import main


def test_files_are_ingested_and_searched_from_a_terminal(clone, tmp_path, capsys):
    file = tmp_path / "faq.md"
    file.write_text("# Hours\nNine to five.\n# Dogs\nWelcome on a leash.")
    assert main(["ingest", "--database-url", clone.superuser, str(file)]) == 0
    assert "faq.md: 2 chunks" in capsys.readouterr().out
    assert main(["search", "--database-url", clone.superuser, "--top-k", "1", "may I bring my puppy?"]) == 0
    assert "faq.md#1 › Dogs" in capsys.readouterr().out


def test_a_file_that_cannot_be_read_is_one_line_on_standard_error(clone, tmp_path, capsys):
    file = tmp_path / "faq.json"
    file.write_text("not json")
    assert main(["ingest", "--database-url", clone.superuser, str(file)]) == 1
    assert "knowledge: The file is named .json but is not JSON" in capsys.readouterr().err


def test_golden_questions_are_asked_from_a_terminal(clone, tmp_path, capsys):
    file, golden = tmp_path / "faq.md", tmp_path / "golden.json"
    file.write_text("# Hours\nNine to five.\n# Dogs\nWelcome on a leash.")
    golden.write_text(
        '{"questions": [{"question": "May I bring my puppy?", "source": "faq.md", "contains": "leash"},'
        ' {"question": "Is there a pool?", "source": "pool.md"}]}'
    )
    assert main(["ingest", "--database-url", clone.superuser, str(file)]) == 0
    assert main(["evaluate", "--database-url", clone.superuser, str(golden)]) == 0
    said = capsys.readouterr().out
    assert "   1  May I bring my puppy?" in said
    assert "   -  Is there a pool?" in said
    assert "recall@5 0.500, MRR 0.500" in said
    golden.write_text("{}")
    assert main(["evaluate", "--database-url", clone.superuser, str(golden)]) == 1
