"""Components by domain, one YAML file each; docs/parts.md describes the format."""
