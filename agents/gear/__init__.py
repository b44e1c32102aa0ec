"""Gear: ranked products, static knowledge merged with live offers of every vendor."""
