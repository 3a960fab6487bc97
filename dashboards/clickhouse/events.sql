-- What happened in a run, for the marks on a chart: knobs turned, phases, blocks, gaps, losses.
SELECT
  toDateTime(intDiv(wall_ms, 1000), 'UTC') AS time,
  source,
  kind,
  text
FROM events FINAL
WHERE run_id = {run:String}
ORDER BY wall_ms, source, text
