-- Whether a run was recorded without holes: seconds that each source has, and seconds that it lacks
-- between its first and its last.
SELECT
  source,
  host,
  uniqExact(wall_ms) AS seconds,
  intDiv(max(wall_ms) - min(wall_ms), 1000) + 1 - uniqExact(wall_ms) AS missing,
  uniqExact(metric) AS metrics
FROM rows FINAL
WHERE run_id = {run:String}
GROUP BY source, host
ORDER BY source, host
