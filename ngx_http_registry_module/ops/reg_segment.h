#ifndef _REG_SEGMENT_H_INCLUDED_
#define _REG_SEGMENT_H_INCLUDED_


#include "reg_flow.h"


/*
 * "mark segments", "copy parts", "check segments", "look again", "drop
 * segments", "write large object", "unmark segments": u->path becomes the
 * blob; nothing is done for one part.
 */
reg_todo_t reg_segments_mark(reg_flow_t *f);
reg_todo_t reg_segments_judge_marked(reg_flow_t *f);
reg_todo_t reg_segments_copy(reg_flow_t *f);
reg_todo_t reg_segments_judge_copied(reg_flow_t *f);
reg_todo_t reg_segments_head(reg_flow_t *f);
reg_todo_t reg_segments_judge_head(reg_flow_t *f);
reg_todo_t reg_segments_look(reg_flow_t *f);
reg_todo_t reg_segments_judge_look(reg_flow_t *f);
reg_todo_t reg_segments_drop(reg_flow_t *f);
reg_todo_t reg_segments_write(reg_flow_t *f);
reg_todo_t reg_segments_judge_written(reg_flow_t *f);
reg_todo_t reg_segments_unmark(reg_flow_t *f);
reg_todo_t reg_segments_judge_unmarked(reg_flow_t *f);


#endif /* _REG_SEGMENT_H_INCLUDED_ */
