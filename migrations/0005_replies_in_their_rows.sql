-- A reply of some kilobytes stays in its call's row. Out of line it was two rows and two index entries more for each: with it the statement that
-- stores a reply was the dearest of all. Half of a page is left for its rows to grow in: a call's row is written small, and once more with its reply;
-- on its own page that touches no index (HOT). Only pages that are written from now on know of it; nothing is rewritten.
ALTER TABLE task_instances SET (toast_tuple_target = 4064, fillfactor = 50);
ALTER TABLE workflow_instances SET (toast_tuple_target = 4064);
