"""Chat and portfolios: typed events, uploads from files, rows as messages of the contract."""

from hexar_client.chat.conversations import Agents, AsyncAgents, AsyncConversations, Conversations
from hexar_client.chat.events import AsyncChatStream, ChatBody, ChatEvents, ChatStream, text_of
from hexar_client.chat.portfolios import AsyncPortfolios, Portfolios
from hexar_client.chat.uploads import PIECE, SUFFIXES, UPLOAD_TIMEOUT, Upload, upload_frames, uploads

__all__ = [
    "PIECE",
    "SUFFIXES",
    "UPLOAD_TIMEOUT",
    "Agents",
    "AsyncAgents",
    "AsyncChatStream",
    "AsyncConversations",
    "AsyncPortfolios",
    "ChatBody",
    "ChatEvents",
    "ChatStream",
    "Conversations",
    "Portfolios",
    "Upload",
    "text_of",
    "upload_frames",
    "uploads",
]
