"""Who answers: vendor agents, model providers, and the five answer systems built on the engine."""
