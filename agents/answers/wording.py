"""What an answer says beside its quotes, and how a unit is written."""

from collections.abc import Callable, Sequence

from hexar.agents.answers.reading.units import Kind, Unit

#: A sentence of at most so many words is quoted with its heading, where that says what the sentence leaves out.
SHORT_WORDS = 10

PHRASES = {
    "en": {
        "intro": "From the documents, quoted word for word:",
        "nothing": (
            "The documents say nothing that answers this. "
            "(Answers are quoted from the documents; no language model is configured.)"
        ),
        "note": "(Quoted from the documents; no language model is configured.)",
        "greeting": "Hello! Ask me about your documents.",
        "wellbeing": "All is well here, thank you. Ask me about your documents.",
        "thanks": "You are welcome.",
        "goodbye": "Goodbye!",
        "yes": "Good. What would you like to know?",
        "no": "All right. What would you like to know instead?",
        "acknowledgement": "All right.",
    },
    "es": {
        "intro": "De los documentos, citado palabra por palabra:",
        "nothing": (
            "Los documentos no dicen nada que responda a esto. "
            "(Las respuestas se citan de los documentos; no hay un modelo de lenguaje configurado.)"
        ),
        "note": "(Citado de los documentos; no hay un modelo de lenguaje configurado.)",
        "greeting": "¡Hola! Pregúntame sobre tus documentos.",
        "wellbeing": "Todo bien por aquí, gracias. Pregúntame sobre tus documentos.",
        "thanks": "De nada.",
        "goodbye": "¡Hasta luego!",
        "yes": "Bien. ¿Qué te gustaría saber?",
        "no": "De acuerdo. ¿Qué te gustaría saber entonces?",
        "acknowledgement": "De acuerdo.",
    },
}


def written(unit: Unit, columns: Sequence[int] = (), *, above: bool = False) -> str:
    """A unit as it is quoted. ``columns`` are the cells of a row that were asked for beside its first; none: all of them.

    ``above``: what stands above it belongs to what it says.
    """
    text = row(unit, columns) if unit.kind is Kind.ROW else unit.text
    if unit.kind is Kind.SENTENCE and len(text.split()) > SHORT_WORDS:
        return text
    head = unit.lead.rstrip(" :") if unit.lead else unit.path[-1] if unit.path else ""
    return f"{head}: {text}" if above and head and head not in text else text


def row(unit: Unit, columns: Sequence[int]) -> str:
    """A row in reading form: ``interns, discount: 20 %``. A first cell stands alone, any other after its header."""
    wanted = (0, *(at for at in columns if at)) if columns else range(len(unit.cells))
    parts = [_cell(*unit.cells[at], first=at == 0) for at in wanted if at < len(unit.cells)]
    return ", ".join(parts)


def _cell(header: str, cell: str, *, first: bool) -> str:
    return cell if first or not header else f"{header}: {cell}"


Wording = Callable[[Unit], str]
