"""Rows of the portfolio system as messages of the contract."""

from google.protobuf.timestamp_pb2 import Timestamp

from hexar.agents.portfolio.chat.conversations import ConversationRow, Turn
from hexar.agents.portfolio.chat.profiles import AgentRow
from hexar.agents.portfolio.documents.library import DocumentRow, PortfolioRow
from hexar.agents.portfolio.retrieval.passages import Mode, Passage, SearchResult
from hexar.core.cache import Tier
from hexar.v1 import chat_pb2, common_pb2, portfolio_pb2

MODES = {
    Mode.HYBRID: portfolio_pb2.RETRIEVAL_MODE_HYBRID,
    Mode.LEXICAL: portfolio_pb2.RETRIEVAL_MODE_LEXICAL,
    Mode.VECTOR: portfolio_pb2.RETRIEVAL_MODE_VECTOR,
    Mode.NONE: portfolio_pb2.RETRIEVAL_MODE_NONE,
}
TIERS = {
    Tier.SOURCE: common_pb2.CACHE_TIER_SOURCE,
    Tier.MEMORY: common_pb2.CACHE_TIER_MEMORY,
    Tier.DISK: common_pb2.CACHE_TIER_DISK,
    Tier.REDIS: common_pb2.CACHE_TIER_REDIS,
}
FORMATS = {
    "markdown": portfolio_pb2.DOCUMENT_FORMAT_MARKDOWN,
    "text": portfolio_pb2.DOCUMENT_FORMAT_TEXT,
    "html": portfolio_pb2.DOCUMENT_FORMAT_HTML,
    "pdf": portfolio_pb2.DOCUMENT_FORMAT_PDF,
    "csv": portfolio_pb2.DOCUMENT_FORMAT_CSV,
    "docx": portfolio_pb2.DOCUMENT_FORMAT_DOCX,
    "xlsx": portfolio_pb2.DOCUMENT_FORMAT_XLSX,
}


def timestamp(seconds: float) -> Timestamp:
    """Unix seconds as a Timestamp, to the microsecond."""
    micros = round(seconds * 1e6)
    return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def portfolio(row: PortfolioRow) -> portfolio_pb2.Portfolio:
    """A portfolio's row."""
    return portfolio_pb2.Portfolio(
        portfolio_id=row.portfolio_id,
        title=row.title,
        version=row.version,
        document_count=row.document_count,
        chunk_count=row.chunk_count,
        created_at=timestamp(row.created_at),
        updated_at=timestamp(row.updated_at),
    )


def document(row: DocumentRow) -> portfolio_pb2.Document:
    """A document's row."""
    return portfolio_pb2.Document(
        document_id=row.document_id,
        title=row.title,
        version=row.version,
        format=FORMATS[row.format],
        language=row.language,
        byte_count=row.byte_count,
        character_count=row.character_count,
        chunk_count=row.chunk_count,
        checksum=row.checksum,
        url=row.url,
        updated_at=timestamp(row.updated_at),
    )


def passage(found: Passage, *, with_text: bool = True) -> portfolio_pb2.Passage:
    """A found chunk."""
    return portfolio_pb2.Passage(
        chunk_id=found.chunk_id,
        document_id=found.document_id,
        document_version=found.document_version,
        document_title=found.document_title,
        start=found.start,
        end=found.end,
        text=found.text if with_text else "",
        headings=found.headings,
        score=found.score,
        lexical_rank=found.lexical_rank,
        vector_rank=found.vector_rank,
        similarity=found.similarity,
        language=found.language,
        url=found.url,
    )


def search_response(found: SearchResult) -> portfolio_pb2.SearchResponse:
    """What a search found."""
    return portfolio_pb2.SearchResponse(
        passages=[passage(each) for each in found.passages],
        mode=MODES[found.mode],
        portfolio_version=found.portfolio_version,
        cache_tier=TIERS[found.tier],
        took_micros=round(found.seconds * 1e6),
        version_unconfirmed=not found.confirmed,
    )


def found_of(response: portfolio_pb2.SearchResponse, tier: Tier) -> SearchResult:
    """A kept search as it was found."""
    mode = next(mode for mode, value in MODES.items() if value == response.mode)
    passages = [
        Passage(
            0, p.chunk_id, p.document_id, p.document_version, p.document_title, p.start, p.end, p.text, tuple(p.headings),
            p.language, p.url, p.score, p.lexical_rank, p.vector_rank, p.similarity,
        )
        for p in response.passages
    ]  # fmt: skip
    return SearchResult(passages, mode, response.portfolio_version, 0.0, 0.0, tier)


def citation(marker: int, cited: Passage, position: int, segment: int) -> chat_pb2.ChatCitation:
    """A marker of an answer and the passage that it names."""
    return chat_pb2.ChatCitation(
        marker=marker,
        chunk_id=cited.chunk_id,
        document_id=cited.document_id,
        document_version=cited.document_version,
        document_title=cited.document_title,
        start=cited.start,
        end=cited.end,
        position=position,
        segment=segment,
        url=cited.url,
    )


def conversation(row: ConversationRow) -> chat_pb2.Conversation:
    """A conversation's row."""
    return chat_pb2.Conversation(
        conversation_id=row.conversation_id,
        portfolio_id=row.portfolio_id,
        title=row.title,
        turn_count=row.turn_count,
        created_at=timestamp(row.created_at),
        updated_at=timestamp(row.updated_at),
    )


def turn(row: Turn) -> chat_pb2.ConversationTurn:
    """A kept turn."""
    message = chat_pb2.ConversationTurn.FromString(row.details)
    message.number = row.number
    message.message = row.message
    message.answer = row.answer
    message.created_at.CopyFrom(timestamp(row.created_at))
    return message


def agent(row: AgentRow) -> chat_pb2.Agent:
    """An agent's row."""
    message = chat_pb2.Agent(
        agent_id=row.agent_id,
        title=row.title,
        prompt=row.prompt,
        model=row.model,
        top_k_cap=row.top_k_cap,
        version=row.version,
        created_at=timestamp(row.created_at),
        updated_at=timestamp(row.updated_at),
    )
    if row.temperature is not None:
        message.temperature = row.temperature
    return message
