"""Components by domain, one YAML file each; docs/guides/parts.md describes the format."""
