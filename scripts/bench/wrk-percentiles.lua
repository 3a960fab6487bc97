-- Figures of wrk for bench:loadgen: p99.9 and maximum in microseconds, and requests.
done = function(summary, latency, requests)
  io.write(string.format("figures %d %d %d\n", latency:percentile(99.9), latency.max, summary.requests))
end
