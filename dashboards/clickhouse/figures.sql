-- The figures of a run: mean, median and extremes of every metric. Percentiles of latency are not made of
-- these (percentiles are never averaged) but of the table `histograms`.
SELECT
  source,
  metric,
  count() AS seconds,
  min(value) AS least,
  avg(value) AS mean,
  quantileExact(0.5)(value) AS median,
  max(value) AS most
FROM rows FINAL
WHERE run_id = {run:String}
GROUP BY source, metric
ORDER BY source, metric
