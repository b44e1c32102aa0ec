"""Which vendors carry a product is told by the answers that show it, and by nothing else in them."""

from hexar.agents.gear.products.carriers import carriers
from hexar.core.eventlog import FinishedLog
from hexar.core.eventlog.frames import number, pack
from hexar.v1 import query_pb2


def answer(products: dict[str, list[str]], retracted: str = "") -> bytes:
    """A kept answer: the vendors of each product, and one that was taken back."""
    events = [query_pb2.QueryEvent(started=query_pb2.QueryStarted(vendors=["all", "who", "were", "asked"]))]
    for product_id, vendors in products.items():
        product = query_pb2.Product(product_id=product_id, offers=[query_pb2.Offer(vendor=vendor) for vendor in vendors])
        events.append(query_pb2.QueryEvent(upsert=query_pb2.ProductUpsert(product=product)))
    if retracted:
        events.append(query_pb2.QueryEvent(retract=query_pb2.ProductRetract(product_id=retracted)))
    events.append(query_pb2.QueryEvent(completed=query_pb2.QueryCompleted()))
    return pack(FinishedLog("0" * 32, [number(seq, event.SerializeToString()) for seq, event in enumerate(events, 1)]))


def test_the_vendors_of_a_products_offers_are_its_carriers() -> None:
    """Of all answers together; not those of other products beside it, nor who was asked."""
    kept = [answer({"p_1": ["alpine", "summit"], "p_2": ["boardroom"]}), answer({"p_1": ["ridge"]}), answer({"p_3": ["peak"]})]
    assert carriers(kept, "p_1") == {"alpine", "summit", "ridge"}
    assert carriers(kept, "p_4") == set()


def test_what_was_taken_back_or_is_no_answer_tells_nothing() -> None:
    """An answer that names the product and shows it no more, and bytes of another form."""
    assert carriers([answer({"p_1": ["alpine"], "p_2": ["summit"]}, retracted="p_1"), b"p_1", b""], "p_1") == set()
