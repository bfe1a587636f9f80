create or replace trigger knowledge_posting_added after insert on knowledge_posting
referencing new table as changed for each statement execute function knowledge_count_terms()
