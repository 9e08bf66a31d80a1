#!/bin/sh
# Tells Heirloom that an asynchronous standby became primary: what was written last may be lost, so tokens that are ahead
# of their rows may go on. Patroni calls it with the action, the role and the cluster's name.
#
# /etc/heirloom/promoted.env has what `heirloom` needs here, one variable a line: HEIRLOOM_DATABASE_URL, of this very
# server, and HEIRLOOM_MASTER_KEY_FILE.
set -u
[ "$1" = on_role_change ] || exit 0
[ "$2" = primary ] || [ "$2" = master ] || exit 0
set -a
. "${PROMOTED_ENV:-/etc/heirloom/promoted.env}"
set +a
# It is called while the server is still on its way to take writes.
tries=0
until heirloom recovery open --for 7d; do
    tries=$((tries + 1))
    [ "$tries" -lt 30 ] || exit 1
    sleep 1
done
