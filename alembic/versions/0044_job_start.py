"""job start: one function finds what a ticket opens, has its session begin, and writes its job"""

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

SIGNATURE = "open_job(text, bigint, text, text, bytea, bigint, boolean, text, timestamptz, timestamptz, jsonb)"

# What an exchange of a ticket finds and writes, in one round trip. Locks are taken in the order of everything else:
# the session's, then its slot's. Each statement of a volatile function has a snapshot of its own, so that what is
# looked at after a lock is what the lock waited for. `status` says what came of it:
#
#   opened      the job is written
#   known       it was before, and is told again
#   over        it was before, and has ended
#   unknown     no slot has this ticket
#   foreign     its slot is for other personas
#   expired     nobody came in time
#   elsewhere   it is for another room
#   unserved    its persona is not in service
#   present     its persona is in the room already
#   gone        its session ended while this waited
#   ending      the room's last session ends at this moment
#
# `missed` is the persona's last job where this ended it: its lease had run out, and nobody had noticed.
#
# A transaction that is not answered with the first two is to be undone.
OPEN_JOB = """
create function open_job(
    livekit_job text, wanted bigint, called text, full_name text,
    hash bytea, standing bigint, is_made boolean, of_worker text,
    at_time timestamptz, leased_until timestamptz, scribe jsonb,
    out status text, out place slot, out talk session, out job session_job, out who persona, out used persona_version,
    out redact boolean, out redact_names jsonb, out announces boolean, out is_resumed boolean, out is_meeting boolean,
    out missed bigint
)
-- Planned once, when the tables may still be empty: it must not be a plan that reads them through.
language plpgsql set search_path = public
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare chosen jsonb; last session_job; key text := wanted::text; begun integer;
begin
    select * into job from session_job where session_job.livekit_job_id = livekit_job;
    if job.id is null then
        if standing is null then
            select * into place from slot where slot.ticket_hash = hash;
        else
            select * into place from slot where slot.id = standing;
        end if;
        status := case
            when place.id is null then 'unknown'
            when wanted <> all (place.persona_ids) then 'foreign'
            when is_made then null
            when place.session_id is null and place.expires_at <= at_time then 'expired'
            when place.room_name <> full_name then 'elsewhere' end;
        if status is not null then
            return;
        end if;
        select * into who from persona where persona.project_id = place.project_id and persona.id = wanted;
        if wanted = 0 then
            chosen := scribe;
        elsif who.is_active then
            select * into used from persona_version version
            where version.project_id = who.project_id and version.persona_id = who.id
                and version.version = who.published_version;
            chosen := to_jsonb(who) || coalesce(place.draft, used.settings, '{}');
        else
            status := 'unserved'; return;
        end if;
        for attempt in 1..3 loop  -- one may end between the try to open another beside it and the look at it
            insert into session (project_id, room_name, persona_id, agent_name, llm_provider, llm_model, status,
                session_type, caller_identity, store_transcripts, message_count, epochs, started_at)
            select place.project_id, place.room_name, nullif(wanted, 0), chosen ->> 'name',
                chosen ->> 'llm_provider', chosen ->> 'llm_model', 'active',
                case when starts_with(place.caller_identity, 'sip_') then 'sip' else 'voice' end,
                place.caller_identity,
                project.store_transcripts and coalesce((chosen ->> 'store_transcripts')::boolean, true), 0, 0,
                at_time
            from project where project.id = place.project_id
            on conflict do nothing returning session.* into talk;
            exit when talk.id is not null;
            select * into talk from session
            where session.project_id = place.project_id and session.room_name = place.room_name
                and session.status = 'active'
            for update;
            exit when talk.id is not null;
        end loop;
        if talk.id is null then
            status := 'ending'; return;
        end if;
        -- The session's lock may have waited for this request's earlier self.
        select * into job from session_job where session_job.livekit_job_id = livekit_job;
    end if;
    if job.id is not null then
        status := 'known';
        select * into talk from session where session.id = job.session_id and session.project_id = job.project_id
        for update;
        select * into place from slot where slot.session_id = job.session_id and job.persona_id = any (slot.persona_ids)
        order by slot.id limit 1;
        if job.ended_at is not null or talk.id is null or place.id is null then
            status := 'over'; return;
        end if;
        select * into who from persona where persona.project_id = job.project_id and persona.id = job.persona_id;
        key := job.persona_id::text;
    else
        status := 'opened';
        select * into place from slot where slot.id = place.id for update;
        if place.id is null then
            status := 'gone'; return;
        end if;
        select * into last from session_job
        where session_job.session_id = talk.id and session_job.persona_id = wanted
        order by session_job.epoch desc limit 1;
        if last.id is not null and last.ended_at is null then
            if last.lease_until > at_time then
                status := 'present'; return;
            end if;
            update session_job set ended_at = at_time, lost_at = at_time where session_job.id = last.id;
            missed := last.id;
        end if;
        -- Its first job here says which version a session uses; later ones keep to it, whatever was published since.
        update session set epochs = session.epochs + 1,
            persona_versions = jsonb_build_object(key, case when place.draft is null then used.version end)
                || session.persona_versions
        where session.id = talk.id returning session.* into talk;
        insert into session_job (project_id, session_id, epoch, livekit_job_id, persona_id, identity, worker_id,
            accepted_at, lease_until, wind_up_at)
        values (talk.project_id, talk.id, talk.epochs, livekit_job, wanted, called, of_worker, at_time, leased_until,
            last.wind_up_at)
        returning session_job.* into job;
        update slot set session_id = talk.id, promised_until = null where slot.id = place.id
        returning slot.* into place;
    end if;
    begun := (talk.persona_versions ->> key)::integer;
    if begun is distinct from used.version then
        select * into used from persona_version version
        where version.project_id = who.project_id and version.persona_id = who.id and version.version = begun;
    end if;
    select project.redact, project.redact_names, project.announce_recordings into redact, redact_names, announces
    from project where project.id = talk.project_id;
    is_resumed := job.epoch > 1 and talk.announced_at is not null and exists (
        select from session_job before
        where before.session_id = talk.id and before.persona_id = job.persona_id and before.epoch < job.epoch
            and before.lost_at is not null);
    is_meeting := exists (
        select from meeting where meeting.room_name = talk.room_name and meeting.project_id = talk.project_id);
end $$;
"""


def upgrade() -> None:
    op.execute(OPEN_JOB)
    op.execute(f"revoke all on function {SIGNATURE} from public")
    op.execute(f"grant execute on function {SIGNATURE} to parley_app")


def downgrade() -> None:
    op.execute(f"drop function {SIGNATURE}")
