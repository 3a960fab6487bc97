#!/bin/sh
# A plug-in of wsar collect that tells of two queues: what is named queue.length, .enqueued and .dequeued gets the columns
# of wsar's queue tool (wsar --show queues): rates, delay, fill rate, time until it is empty.
#
#   wsar --exec ./queue-drain.sh --show queues
#
# The queues are made up: `mail` is full and drains by 900 a tick, `push` holds steady at 50.

echo 'wsar-plugin 1'
for queue in mail push; do
  echo "metric queue.length{queue=$queue} gauge {message} messages that wait"
  echo "metric queue.enqueued{queue=$queue} counter {message} messages that came"
  echo "metric queue.dequeued{queue=$queue} counter {message} messages that went"
done

tick=0
while read -r _; do
  tick=$((tick + 1))
  echo "value queue.length{queue=mail} $((60000 - 900 * tick))"
  echo "value queue.enqueued{queue=mail} $((100 * tick))"
  echo "value queue.dequeued{queue=mail} $((1000 * tick))"
  echo "value queue.length{queue=push} 50"
  echo "value queue.enqueued{queue=push} $((20 * tick))"
  echo "value queue.dequeued{queue=push} $((20 * tick))"
  echo commit
done
