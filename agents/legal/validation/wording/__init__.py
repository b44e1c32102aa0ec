"""How contracts word things: ordinals, the nouns that their terms are made of, the names of people and companies."""
