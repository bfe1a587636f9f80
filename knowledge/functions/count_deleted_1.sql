create or replace trigger knowledge_posting_removed after delete on knowledge_posting
referencing old table as changed for each statement execute function knowledge_count_terms()
