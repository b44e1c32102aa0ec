#!/bin/sh
# From a damage report to the parts that fit.
grpcurl -plaintext -d @ "${1:-localhost:50051}" hexar.v1.PartsService/Discover <<EOF
{"vehicle": {"text": "Vauxhall Astra 2006 1.6"},
 "components": [{"name": "front bumper", "severity": "SEVERITY_SEVERE"}, {"name": "bonnet"}]}
EOF
