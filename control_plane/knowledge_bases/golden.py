"""What an owner tests a base with, and what callers asked in vain."""

from control_plane.auth.callers import Caller
from control_plane.db.database import Db
from control_plane.errors import Conflict
from control_plane.knowledge_bases.schemas import GoldenQuestions
from control_plane.wire import Page
from knowledge.embedders import Embedders, Vectors
from knowledge.golden import Evaluation, GoldenQuestion, evaluate, read_golden, replace_golden
from knowledge.search import Hit
from knowledge.store import KnowledgeStore
from knowledge.unanswered import UnansweredQuestion, list_unanswered

Asked = dict[str, dict[str, Vectors]]
"""Questions with their vectors, by model."""


class Examiner:
    """The golden and the unanswered questions of one caller's bases, which the callers of this have found to be its."""

    def __init__(self, db: Db, caller: Caller, embedders: Embedders) -> None:
        self.db, self.project_id, self.embedders = db, caller.project_id, embedders

    async def read(self, base_id: int) -> list[GoldenQuestion]:
        """The golden questions of a base."""
        return await read_golden(self.db, base_id, project_id=self.project_id)

    async def replace(self, base_id: int, body: GoldenQuestions) -> list[GoldenQuestion]:
        """Put others in their place."""
        golden = [GoldenQuestion(each.question, each.source, each.contains) for each in body.questions]
        await replace_golden(self.db, base_id, golden, project_id=self.project_id)
        return golden

    async def embed(self, base_id: int) -> Asked:
        """The vectors of its golden questions; no transaction is open meanwhile. Raises `EmbeddingError`."""
        golden = await self.read(base_id)
        await self.db.commit()
        return {each.question: await self.embedders.question(each.question) for each in golden}

    async def evaluate(self, base_id: int, k: int, asked: Asked) -> Evaluation:
        """Ask the base its golden questions, which `embed` has prepared. Raises `EmbeddingError`."""

        async def search(question: str) -> list[Hit]:
            return await KnowledgeStore(self.db).search(
                question,
                vectors=asked.get(question) or await self.embedders.question(question),
                base_ids=[base_id],
                project_id=self.project_id,
                top_k=k,
            )

        return await evaluate(await self.read(base_id), search)

    async def demand(self, base_id: int, k: int, least: float, asked: Asked) -> None:
        """Raise `Conflict` where the base, as this transaction sees it, finds less than `least` of the answers."""
        found = await self.evaluate(base_id, k, asked)
        if not found.questions:
            raise Conflict("The knowledge base has no golden questions to be judged by")
        if found.recall_at_k < least:
            raise Conflict(
                f"With this index {found.recall_at_k:.3f} of the golden questions find their answer among the first "
                f"{k}, less than {least:g}; the knowledge base stays as it was"
            )

    async def unanswered(self, base_id: int, page: Page) -> tuple[list[UnansweredQuestion], int]:
        """A page of what callers asked in vain."""
        return await list_unanswered(
            self.db, base_id, project_id=self.project_id, offset=page.offset, limit=page.per_page
        )
