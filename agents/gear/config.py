"""Every tunable of gear."""

from dataclasses import dataclass, field

from hexar.agents.gear.analysis.analyses import BATCH
from hexar.agents.gear.analysis.heavy import VENDOR_SECONDS
from hexar.agents.gear.analysis.model_analyst import CALL_SECONDS, CONCURRENCY
from hexar.agents.gear.products.ranking import Weights
from hexar.core.resilience import RetryPolicy
from hexar.core.resilience.hedging import HedgeConfig


@dataclass(frozen=True, slots=True)
class GearConfig:
    """Every tunable of the pipeline. Times in seconds."""

    weights: Weights = field(default_factory=Weights)
    #: The longest that a query waits for vendors, however late its deadline.
    vendor_timeout: float = 20.0
    #: What is kept of the caller's time for ranking and sending: this share, at most ``reserve_limit``.
    reserve_share: float = 0.1
    reserve_limit: float = 0.5
    #: How long a background analysis waits when nobody waits for it.
    analysis_delay: float = 1.0
    #: Products in one analysis job, and the longest that one vendor may take for them.
    analysis_batch: int = BATCH
    heavy_timeout: float = VENDOR_SECONDS
    #: A query that refreshes has products analysed again whose analysis is older than this.
    refresh_age: float = 3600.0
    #: Tries to reach a vendor; one that was reached is never asked again by the same query.
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(attempts=3))
    #: Late readings of a vendor that are asked for a second time; none unless that is configured.
    hedge: HedgeConfig = field(default_factory=HedgeConfig)
    #: Calls of the model that reads reviews at once, each for one batch of products, and the longest that one may take.
    model_calls: int = CONCURRENCY
    model_timeout: float = CALL_SECONDS
    #: Boards with more listings than this are worked on a thread: 300 listings take about 5 ms.
    inline_listings: int = 300
    #: Where more is on the board than that, vendors that answer within this time of one another are shown together: putting
    #: them together takes as long.
    gather: float = 0.02
    #: The share of its time to live after which what is known of a product is read again, if it was shown since.
    refresh_share: float = 0.8
