#!/bin/sh
# Starts a node of Redis or a Sentinel. Both write their configuration again by
# themselves, so it is made once, on the node's volume.
#   start.sh redis|sentinel
set -eu
umask 077
configuration=/data/$1.conf
name=$(hostname)

first() { # the node that is the primary at first, as it is announced
	if [ "$ANNOUNCE" = names ]; then
		echo redis1
		return
	fi
	until getent hosts redis1; do sleep 0.1; done | cut -d' ' -f1
}

redis() {
	echo "requirepass $REDIS_PASSWORD"
	echo "masterauth $REDIS_PASSWORD"
	# The application may do all but what administers, and read what tells the replication's state.
	echo "user app on #$(printf %s "$APP_PASSWORD" | sha256sum | cut -d' ' -f1) ~* &* +@all -@dangerous +info +role +keys +config|get"
	[ "$ANNOUNCE" != names ] || echo "replica-announce-ip $name"
	[ "$name" = redis1 ] || echo "replicaof $(first) 6379"
	cat /etc/redis-variant.conf
}

sentinel() {
	if [ "$ANNOUNCE" = names ]; then
		printf '%s\n' "sentinel resolve-hostnames yes" "sentinel announce-hostnames yes" "sentinel announce-ip $name"
	fi
	printf '%s\n' "sentinel monitor mymaster $(first) 6379 2" "sentinel auth-pass mymaster $REDIS_PASSWORD" \
		"sentinel down-after-milliseconds mymaster 5000" "sentinel failover-timeout mymaster 60000" "sentinel parallel-syncs mymaster 1"
}

if [ ! -f "$configuration" ]; then
	"$1" >"$configuration.new"
	mv "$configuration.new" "$configuration"
fi
case $1 in
redis) exec redis-server "$configuration" ;;
sentinel) exec redis-sentinel "$configuration" ;;
esac
