import math
from collections import Counter

import numpy as np
import pytest
from sqlalchemy import event, text

from knowledge.chunking import Chunk
from knowledge.documents import DocumentError
from knowledge.ingest import embed_chunk
from knowledge.store import BaseNotFound, EmbeddedDocument, IndexingStatus
from knowledge.unanswered import keep_unanswered

pytestmark = pytest.mark.anyio

FAQ = (
    "Our business hours are nine to five on weekdays.",
    "Purchases are refunded within thirty days.",
    "The office stands on Harbour Street in Bremen.",
    "Dogs are welcome on a leash.",
)
OWNER, STRANGER = 1, 2
K1, B = 0.6, 0.3
CHUNKS = 1_200


async def contents(library, query, *bases, **options):
    return [hit.content for hit in await library.ask(query, *bases, **options)]


async def test_a_question_in_other_words_finds_its_answer_first(library):
    base = await library.base(*FAQ)
    assert (await contents(library, "Can I get my money back?", base))[0] == FAQ[1]
    assert (await contents(library, "May I bring my puppy?", base))[0] == FAQ[3]


async def test_a_rare_word_finds_its_chunk_first(library):
    base = await library.base(*FAQ, "Error QX-7731 means that the filter is full.")
    assert "QX-7731" in (await contents(library, "QX-7731", base))[0]


async def test_scores_fall_from_best_to_worst_and_stay_within_0_and_1(library):
    base = await library.base(*FAQ)
    for query in ("When are you open?", "leash", "the of and", "?!", "zzz qqq"):
        scores = [hit.score for hit in await library.ask(query, base)]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)


async def test_a_base_that_knows_nothing_of_it_scores_low(library):
    base = await library.base(*FAQ)
    known = await library.ask("When are you open on weekdays?", base)
    unknown = await library.ask("Who won the football cup in 1974?", base)
    assert known[0].score > 0.6
    assert unknown[0].score < 0.2


async def test_a_search_gives_as_many_hits_as_asked_or_as_there_are(library):
    base = await library.base(*FAQ)
    assert len(await library.ask("hours", base, top_k=2)) == 2
    assert len(await library.ask("hours", base, top_k=50)) == 4
    assert await library.ask("hours", await library.base()) == []


async def test_words_are_weighed_by_bm25(library, connection):
    texts = ("apple apple pear", "apple banana", "cherry cherry plum", "banana")
    base = await library.base(*texts)
    hits = {hit.content: hit.lexical for hit in await library.ask("apple banana", base)}
    documents = [Counter(appl=2, pear=1), Counter(appl=1, banana=1), Counter(cherri=2, plum=1), Counter(banana=1)]
    mean = sum(document.total() for document in documents) / 4

    def bm25(document: Counter) -> float:
        length = K1 * (1 - B + B * document.total() / mean)
        weight = math.log(1 + (4 - 2 + 0.5) / (2 + 0.5))  # each of the two words is in two of the four
        return sum(weight * document[term] / (document[term] + length) for term in ("appl", "banana"))

    expected = dict(zip(texts, map(bm25, documents), strict=True))
    assert hits == pytest.approx(expected)


async def test_headings_are_searched_and_kept_apart_from_the_content(library):
    base = await library.base("# Parking\nBehind the house, two euros an hour.", *FAQ)
    best = (await library.ask("parking", base))[0]
    assert (best.heading, best.content) == ("Parking", "Behind the house, two euros an hour.")
    assert best.lexical > 0


async def test_another_projects_base_is_not_there(library, store):
    base = await library.base(*FAQ)
    assert await library.ask("hours", base, project_id=STRANGER) == []
    assert await store.find_base(base.id, project_id=STRANGER) is None
    assert await store.list_bases(project_id=STRANGER) == []
    assert await store.list_chunks(base.id, project_id=STRANGER) == ([], 0)
    assert not await store.delete_base(base.id, project_id=STRANGER)
    with pytest.raises(BaseNotFound):
        await library.ingest(base, "intruder", project_id=STRANGER)
    assert len(await library.ask("hours", base)) == 4


async def test_several_bases_of_a_project_are_searched_as_one(library):
    first, second = await library.base(*FAQ[:2]), await library.base(*FAQ[2:])
    other = await library.base("Hours of joy.")
    assert set(await contents(library, "hours", first, second)) == set(FAQ)
    assert (await contents(library, "hours", other)) == ["Hours of joy."]


async def test_a_base_of_another_model_is_found_by_words_alone(library):
    base = await library.base(*FAQ)
    hits = await library.ask("leash", base, model="another")
    assert [(hit.content, hit.dense) for hit in hits] == [(FAQ[3], 0.0)]


async def test_a_document_sent_again_takes_the_place_of_its_earlier_self(library, store):
    base = await library.base()
    await library.ingest(base, "Old words.", source="about")
    await library.ingest(base, "Other words.", source="contact")
    assert await library.ingest(base, "# A\nOne.\n# B\nTwo.", source="about") == 2
    chunks, total = await store.list_chunks(base.id, project_id=OWNER)
    assert total == 3
    assert [(chunk.source, chunk.content, chunk.chunk_index) for chunk in chunks] == [
        ("contact", "Other words.", 0),
        ("about", "One.", 0),
        ("about", "Two.", 1),
    ]


async def test_texts_without_a_label_add_up_and_repeat_only_themselves(library, store):
    base = await library.base("One thing.", "Another thing.", "One thing.")
    assert (await store.find_base(base.id, project_id=OWNER)).chunk_count == 2


async def test_a_base_tells_what_it_holds(library, store):
    base = await library.base()
    assert (base.indexing_status, base.chunk_count, base.last_indexed_at) == (IndexingStatus.EMPTY, 0, None)
    await store.set_progress(base.id, project_id=OWNER, progress=40)
    shown = await store.find_base(base.id, project_id=OWNER)
    assert (shown.indexing_status, shown.progress) == (IndexingStatus.INDEXING, 40)
    await library.ingest(base, "Twelve chars")
    await store.set_progress(base.id, project_id=OWNER, progress=None)
    base = await store.find_base(base.id, project_id=OWNER)
    assert (base.indexing_status, base.progress) == (IndexingStatus.READY, 0)
    assert (base.chunk_count, base.total_chars) == (1, 12)
    assert base.last_indexed_at is not None


async def test_a_base_whose_worker_has_died_does_not_say_for_ever_that_it_is_being_indexed(library, store, connection):
    base = await library.base(*FAQ)
    await store.set_progress(base.id, project_id=OWNER, progress=40)
    await connection.execute(text("update knowledge_base set progress_until = now() - interval '1 second'"))
    shown = await store.find_base(base.id, project_id=OWNER)
    assert (shown.indexing_status, shown.progress) == (IndexingStatus.READY, 0)


async def test_an_edited_chunk_is_found_by_its_new_words_only(library, store, embedder):
    base = await library.base(*FAQ)
    chunk = (await store.list_chunks(base.id, project_id=OWNER))[0][3]
    content, vectors = await embed_chunk(" Cats sleep in the window. ", chunk.heading, base, embedder)
    edited = await store.update_chunk(
        chunk.id, base_id=base.id, project_id=OWNER, content=content, vectors=vectors, model=embedder.model
    )
    assert (edited.id, edited.content, edited.is_active) == (chunk.id, "Cats sleep in the window.", True)
    assert (await contents(library, "cats", base))[0] == "Cats sleep in the window."
    assert all(hit.lexical == 0 for hit in await library.ask("leash", base))


async def test_a_chunk_that_is_switched_off_is_listed_and_never_found_until_it_is_on_again(library, store, embedder):
    base = await library.base(*FAQ)
    chunk = (await store.list_chunks(base.id, project_id=OWNER))[0][0]

    async def switch(on: bool) -> None:
        content, vectors = await embed_chunk(chunk.content, chunk.heading, base, embedder)
        await store.update_chunk(
            chunk.id,
            base_id=base.id,
            project_id=OWNER,
            content=content,
            vectors=vectors,
            model=embedder.model,
            is_active=on,
        )

    await switch(False)
    assert FAQ[0] not in await contents(library, FAQ[0], base)
    assert [c.id for c in (await store.list_chunks(base.id, project_id=OWNER, is_active=False))[0]] == [chunk.id]
    await switch(True)
    assert (await contents(library, FAQ[0], base))[0] == FAQ[0]


async def test_a_deleted_chunk_is_gone_and_counted_out(library, store):
    base = await library.base(*FAQ)
    chunk = (await store.list_chunks(base.id, project_id=OWNER))[0][0]
    another = await library.base()
    assert not await store.delete_chunk(chunk.id, base_id=another.id, project_id=OWNER)
    assert await store.delete_chunk(chunk.id, base_id=base.id, project_id=OWNER)
    assert not await store.delete_chunk(chunk.id, base_id=base.id, project_id=OWNER)
    assert (await store.find_base(base.id, project_id=OWNER)).chunk_count == 3
    assert FAQ[0] not in await contents(library, FAQ[0], base)


async def test_a_deleted_base_leaves_nothing_behind(library, store, connection):
    base = await library.base(*FAQ)
    assert await store.delete_base(base.id, project_id=OWNER)
    for table in ("document", "chunk", "vector", "posting"):
        assert await connection.scalar(text(f"select count(*) from knowledge_{table}")) == 0


async def long_document(store, base, embedder, content_hash):
    """A document of so many chunks that it is written in several parts, without the time that embedding takes."""
    document = EmbeddedDocument(
        source="long",
        content_hash=content_hash,
        chunks=[Chunk(f"The same words in each chunk, but {n}.", n, (), 0) for n in range(CHUNKS)],
        vectors=np.tile(await embedder.embed_query("words"), (CHUNKS, 1)),
        model=embedder.model,
    )
    return await store.replace_document(base.id, document, project_id=OWNER)


async def test_what_is_replaced_or_deleted_is_counted_out_in_parts_and_not_chunk_by_chunk(
    library, store, embedder, connection
):
    base = await library.base(*FAQ)
    await long_document(store, base, embedder, "1")
    counted = text("select coalesce(sum(n_tup_upd), 0) from pg_stat_xact_user_tables where relname = 'knowledge_term'")
    words = text("select term, chunks from knowledge_term where chunks > 0 order by term")
    before = await connection.scalar(counted)
    known = (await connection.execute(words)).all()
    assert await long_document(store, base, embedder, "2") == CHUNKS
    assert (await connection.execute(words)).all() == known
    assert await connection.scalar(counted) - before < 3 * CHUNKS
    before = await connection.scalar(counted)
    assert await store.delete_base(base.id, project_id=OWNER)
    assert await connection.scalar(counted) == before
    for table in ("document", "chunk", "vector", "posting", "term"):
        assert await connection.scalar(text(f"select count(*) from knowledge_{table}")) == 0


async def test_questions_asked_in_vain_are_kept_while_a_document_is_written(library, store, connection, engine):
    base = await library.base(*FAQ)
    await connection.commit()
    chunk = (await store.list_chunks(base.id, project_id=OWNER))[0][0]
    assert await store.delete_chunk(chunk.id, base_id=base.id, project_id=OWNER)
    async with engine.begin() as other:
        await other.execute(text("set local lock_timeout = '1s'"))
        await keep_unanswered(other, "Is there a sauna?", base_ids=[base.id], project_id=OWNER, score=0.1, session_id=1)
    await store.delete_base(base.id, project_id=OWNER)
    await connection.commit()


async def test_a_search_is_one_statement(library, connection):
    base = await library.base(*FAQ)
    said = []
    event.listen(connection.sync_connection, "before_cursor_execute", lambda *arguments: said.append(arguments[2]))
    assert await library.ask("hours", base)
    assert len(said) == 1


async def test_an_edit_without_text_is_refused(library, embedder):
    base = await library.base()
    with pytest.raises(DocumentError, match="needs some text"):
        await embed_chunk(" \n ", "", base, embedder)
